"""Compare every tensor of every bundle with TensorFlow's own reader, which runs in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tensorflow.tf1.checkpoint_v1 import CheckpointV1
from lstmdump.readers.tensorflow.wire.bundle import Bundle

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDERS = [ROOT / "sample_models", ROOT / "tests" / "genuine", ROOT.parent / "shared" / "models"]
PREFIXES = sorted(
    path.with_suffix("")
    for folder in FOLDERS
    for path in folder.rglob("*.index")
    if path.with_suffix(".data-00000-of-00001").is_file() or path.with_suffix(".data-00000-of-00002").is_file()
)
FIRST_FORMAT = sorted(
    path.with_suffix("") for folder in FOLDERS for path in folder.rglob("*.meta") if path.with_suffix("").is_file()
)
_BATCH = 200


def shown(prefix: Path) -> str:
    return str(prefix.relative_to(ROOT.parent))


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """The file with the tensors that TensorFlow read, by prefix."""
    pytest.importorskip("tensorflow", reason="needs the extra `oracle`")
    found: dict[Path, Path] = {}
    every = [*PREFIXES, *FIRST_FORMAT]
    for start in range(0, len(every), _BATCH):
        part, out = every[start : start + _BATCH], tmp_path_factory.mktemp("tensorflow")
        done = subprocess.run(
            [sys.executable, HERE / "read_checkpoints.py", out], input="\n".join(map(str, part)), text=True,
            capture_output=True, check=False, timeout=600,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found |= {prefix: out / f"{turn}.npz" for turn, prefix in enumerate(part)}
    return found


def differences(ours: dict[str, np.ndarray], file: Path) -> list[str]:
    with np.load(file) as theirs:
        names = [str(name) for name in theirs["names"]]
        if sorted(ours) != names:
            return [f"names: {sorted(ours)} for {names}"]
        pairs = [(name, ours[name], theirs[f"array_{place}"]) for place, name in enumerate(names)]
    return [name for name, mine, right in pairs if mine.shape != right.shape or not _same_bits(mine, right)]


def _same_bits(mine: np.ndarray, right: np.ndarray) -> bool:
    return mine.dtype == right.dtype and mine.tobytes() == right.tobytes()


def read(bundle: Bundle, name: str) -> np.ndarray:
    if bundle.entry(name).dtype == "string":
        return np.frombuffer(b"".join(bundle.strings(name)), np.uint8)
    return bundle.tensor(name).read()


def test_there_are_bundles_of_many_kinds() -> None:
    assert len(PREFIXES) >= 30
    assert FIRST_FORMAT


@pytest.mark.parametrize("prefix", PREFIXES, ids=shown)
def test_every_tensor_of_a_bundle_equals_that_read_by_tensorflow(prefix: Path, theirs: dict[Path, Path]) -> None:
    bundle = Bundle(Location(prefix))
    try:
        assert differences({name: read(bundle, name) for name in bundle.names()}, theirs[prefix]) == []
    finally:
        bundle.close()


@pytest.mark.parametrize("path", FIRST_FORMAT, ids=shown)
def test_every_tensor_of_the_first_format_equals_that_read_by_tensorflow(path: Path, theirs: dict[Path, Path]) -> None:
    checkpoint = CheckpointV1(Location(path))
    tensors: dict[str, Tensor] = checkpoint.tensors()
    assert differences({name: tensor.read() for name, tensor in tensors.items()}, theirs[path]) == []
