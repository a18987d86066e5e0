"""Models that somebody cuts short or rewrites while they are read: after each single read of each of their files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import good_keras, good_tensorflow
from hostile.good_keras import Sizes

from lstmdump.model import location
from lstmdump.model.opening import WatchedFile
from lstmdump.readers.hdf5 import choice

SIZE = Sizes(3, 4, 1)
LARGE = Sizes(200, 300, 1)  # 2.4 MB: more than is read of a graph as a whole
ROOT = Path(__file__).parents[2]


def copied(name: str, directory: Path) -> Path:
    """Copy a model of the project."""
    source, target = ROOT / name, directory / Path(name).name
    return Path(shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target))


MAKERS: dict[str, Callable[[Path], Path]] = {
    **{layout.name: lambda at, layout=layout: good_keras.make(layout, at, SIZE) for layout in good_keras.LAYOUTS},
    **{kind.name: lambda at, kind=kind: kind.write(at, SIZE) for kind in good_tensorflow.KINDS},
    **{
        name: lambda at, name=name: copied(name, at)
        for name in (
            "tests/genuine/torch-2.13.0-net.safetensors",
            "tests/genuine/torch-2.13.0-net-legacy.pth",
            "tests/genuine/torch-2.13.0-bistack.pt",
            "sample_models/torch-2.13-net.onnx",
            "sample_models/tfjs-4.22-nested",
        )
    },
    "large graph": lambda at: good_tensorflow.FROZEN.write(at, LARGE),
}
_MOST_READS = 400


def cut(path: str, size: int) -> None:
    os.truncate(path, size // 3)


def rewrite(path: str, size: int) -> None:
    """Change every byte of the second half, as numbers of another epoch would."""
    with Path(path).open("r+b") as file:
        file.seek(size // 2)
        rest = file.read()
        file.seek(size // 2)
        file.write(bytes(value ^ 0x11 for value in rest[:5000]))


class Harm:
    """Change a file after the read with the number `at` of a run."""

    def __init__(self, at: int, how: Callable[[str, int], None]) -> None:
        self.reads = 0
        self._at = at
        self._how = how

    def after(self, path: str) -> None:
        self.reads += 1
        if self.reads == self._at:
            self._how(path, Path(path).stat().st_size)
            os.utime(path, (time.time() + 1,) * 2)


@pytest.fixture
def harmed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Harm], None]:
    """Return a function that lets all files be harmed from then on."""

    def begin(harm: Harm) -> None:
        class Harmed(WatchedFile):
            def read(self, *size: Any) -> Any:
                found = super().read(*size)
                harm.after(self.path)
                return found

            def readinto(self, buffer: Any) -> Any:
                found = super().readinto(buffer)
                harm.after(self.path)
                return found

        monkeypatch.setattr(location, "WatchedFile", Harmed)

    return begin


def runs(make: Callable[[Path], Path], place: Path) -> Iterator[tuple[int, Path]]:
    """Yield a number from 1 on, and a new model for each."""
    for number in count(1):
        (place / str(number)).mkdir()
        yield number, make(place / str(number))


@pytest.mark.parametrize("how", [cut, rewrite])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_model_that_changes_gives_one_line_or_the_numbers_of_one_moment(
    maker: str,
    how: Callable[[str, int], None],
    tmp_path: Path,
    run: Callable[..., Any],
    harmed: Callable[[Harm], None],
) -> None:
    out, after, refused = tmp_path / "out.npz", tmp_path / "after.npz", 0
    for number, model in runs(MAKERS[maker], tmp_path):
        assert run("export", model, "-o", out, "-f").status == 0
        good = numbers(out)
        out.unlink()
        harm = Harm(number, how)
        harmed(harm)
        outcome = run("export", model, "-o", out, "-q")
        if harm.reads < number:  # all that is read has been harmed
            break
        if outcome.status == 0:
            run("export", model, "-o", after, "-q", "-f")
            assert numbers(out) in (good, numbers(after))  # of the file before, or after, but of one file
            out.unlink()
        else:
            refused += 1
            assert (outcome.status, outcome.err.count("\n"), out.exists()) == (2, 1, False)
            assert not any(word in outcome.err for word in ("bug", "Traceback", "died"))
        assert number < _MOST_READS
    assert refused > 1


def numbers(path: Path) -> dict[str, bytes]:
    """Return the arrays in the `.npz` file at `path`, or nothing if it does not exist."""
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays if name != "__lstmdump__"}


@pytest.mark.parametrize("how", [cut, rewrite])
def test_an_hdf5_file_that_changes_while_the_library_reads_it_is_refused(
    how: Callable[[str, int], None], tmp_path: Path
) -> None:
    import lstmdump

    model = MAKERS["keras 2"](tmp_path)
    with choice.with_library(), lstmdump.open(model) as opened:
        how(str(model), model.stat().st_size)
        os.utime(model, (time.time() + 1,) * 2)
        with pytest.raises(lstmdump.errors.UnreadableModel):
            opened.lstms[0].gates["i"].W.read()
