"""Missing, linked and damaged files in checkpoints and SavedModels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hostile import hdf5_lies
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_onnx import ONNX
from hostile.good_tensorflow import (
    BUNDLE,
    CHECKPOINT,
    EXPORTED,
    KINDS,
    SAVED_MODEL,
    WITH_GRAPH,
    Kind,
)
from hostile.lie_lists import Lies

LIES = Lies()

for _kind in (*KINDS, ONNX):
    LIES.add(_kind, "nothing at all", Must.READ, lambda scene, size, write=_kind.write: write(scene.directory, size))


def _linked(kind: Kind, part: str, secret: str) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = kind.write(scene.directory, size)
        file = scene.directory / part
        file.unlink()
        away = os.path.relpath(scene.secrets, file.parent)
        file.symlink_to(Path(scene.random.choice([str(scene.secrets), away])) / secret)
        return path

    LIES.add(kind, f"{Path(part).name} is a link to a secret file", Must.REFUSED, write)


for _kind in (CHECKPOINT, BUNDLE):
    _linked(_kind, "model.data-00000-of-00001", "secret.data-00000-of-00001")
    _linked(_kind, "model.index", "secret.index")
for _kind in (SAVED_MODEL, EXPORTED):
    for _part in _kind.parts:
        _secret = {".index": "secret.index", ".json": "secret.json"}.get(
            Path(_part).suffix, "secret.data-00000-of-00001"
        )
        _linked(_kind, _part, _secret)
_linked(WITH_GRAPH, "model.meta", "secret.raw")


def _directory_linked(scene: Scene, size: Sizes) -> Path:
    path = SAVED_MODEL.write(scene.directory, size)
    (path / "variables").rename(path / "others")
    (path / "variables").symlink_to(scene.secrets)
    return path


LIES.add(SAVED_MODEL, "variables are a link to a secret directory", Must.EITHER, _directory_linked)


def _of_state(called: str, must: Must, text: Callable[[Scene], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        BUNDLE.write(scene.directory / "checkpoints", size)
        (scene.directory / "checkpoints" / "checkpoint").write_bytes(text(scene))
        return scene.directory / "checkpoints"

    LIES.add(BUNDLE, called, must, write)


def _latest(path: str) -> bytes:
    return b'model_checkpoint_path: "' + path.encode("utf-8", "surrogateescape") + b'"\n'


_of_state("the latest checkpoint is a secret file", Must.EITHER, lambda scene: _latest(f"{scene.secrets}/secret"))
_of_state(
    "the latest checkpoint is in a parent directory",
    Must.EITHER,
    lambda scene: _latest(f"{os.path.relpath(scene.secrets, scene.directory / 'checkpoints')}/secret"),
)
_of_state(
    "the latest checkpoint has a strange name",
    Must.EITHER,
    lambda scene: _latest(hdf5_lies.strange_name(scene).replace("\n", "\\n")),
)
_of_state(
    "the latest checkpoint has an escaped name",
    Must.EITHER,
    lambda scene: _latest(scene.random.choice(["\\056\\056", "\\377\\000", "\\033[2J", "\\", "\\999", "..\\057x"])),
)
_of_state("the state is garbage", Must.EITHER, lambda scene: scene.random.randbytes(500))
_of_state("the state is endless", Must.EITHER, lambda _: b'model_checkpoint_path: "' + b"\\a" * 500_000)


@LIES.register(BUNDLE, Must.REFUSED)
def _data_is_cut_short(scene: Scene, size: Sizes) -> Path:
    path = BUNDLE.write(scene.directory, size)
    data = path.with_name("model.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[: scene.random.randrange(16 * size.m)])
    return path


@LIES.register(BUNDLE, Must.REFUSED)
def _data_is_missing(scene: Scene, size: Sizes) -> Path:
    path = BUNDLE.write(scene.directory, size)
    path.with_name("model.data-00000-of-00001").unlink()
    return path


@LIES.register(BUNDLE, Must.REFUSED)
def _data_is_a_pipe(scene: Scene, size: Sizes) -> Path:
    path = _data_is_missing(scene, size)
    os.mkfifo(path.with_name("model.data-00000-of-00001"))
    return path
