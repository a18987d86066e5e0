"""`export`: large models, compared with `cp` and the peers, and the memory used."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import keras_inputs, peers, tensorflow_inputs
from benchmarks.goals import Goal, cpu, resident_over
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command, Usage
from benchmarks.workspace import OURS, Case, Sizes, Workspace

_CP, _H5PY, _ARCHIVE = "cp, .h5", "h5py + np.savez, .h5", "zipfile, h5py + np.savez, .keras"
_TINY = 4
Write = Callable[[Path, int, int], Path]


def _export(kind: str, size: str) -> str:
    return f"export, {kind} of {size}"


def _tiny(kind: str) -> str:
    return _export(kind, "4 units")


def _command(name: str, path: Path, place: Workspace, *options: str, against: str = "") -> Command:
    out = place.folder / "out.npz"
    return Command(name, [OURS, "export", "-q", path, "-o", out, *options], against, clears=[out], checked=_whole(out))


def _whole(out: Path) -> Callable[[Usage], Usage]:
    def check(usage: Usage) -> Usage:
        with zipfile.ZipFile(out) as archive:
            return usage if len(archive.namelist()) >= 13 else usage._replace(failure="arrays are missing")

    return check


# --- compared with cp

_WRITE: dict[str, Write] = {
    "checkpoint": tensorflow_inputs.write_checkpoint,
    "SavedModel": tensorflow_inputs.write_saved_model,
    ".h5": keras_inputs.write_h5,
    ".keras": keras_inputs.write_keras,
}
_LARGE = "400 MB"


def _copies(place: Workspace) -> list[Command]:
    place.need(6 * place.sizes.large)
    m = units(place.sizes.large)
    paths = {kind: write(place.folder / f"large{kind}", m, m) for kind, write in _WRITE.items()}
    data = paths["checkpoint"].with_name(f"{paths['checkpoint'].name}.data-00000-of-00001")
    out = place.folder / "out.npz"
    return [
        *(peers.copy(_source(path), place.folder / "copy", f"cp, {kind}") for kind, path in paths.items()),
        *(_command(_tiny(kind), write(place.folder / f"tiny{kind}", _TINY, _TINY), place)
          for kind, write in _WRITE.items()),
        *(_command(_export(kind, _LARGE), path, place, against=f"cp, {kind}") for kind, path in paths.items()),
        peers.h5py_savez(paths[".h5"], out, _CP),
        peers.archive_savez(paths[".keras"], out, "cp, .keras"),
        peers.memmap_savez(data, out, m, m, "cp, checkpoint"),
        peers.keras_savez(paths[".keras"], out, "cp, .keras"),
    ]  # fmt: skip


def _source(path: Path) -> Path:
    data = path.with_name(f"{path.name}.data-00000-of-00001")
    return data if data.exists() else path


def _copies_goals(_: Sizes) -> list[Goal]:
    goals = []
    for kinds, limit in ((("checkpoint", "SavedModel"), 2.0), ((".h5", ".keras"), 3.0)):
        figures = {kind: cpu(_export(kind, _LARGE), f"cp, {kind}", _tiny(kind)) for kind in kinds}
        beside = {f"{kind} with start-up": cpu(_export(kind, _LARGE), f"cp, {kind}") for kind in kinds}
        goals.append(Goal("CPU of `export` of 400 MB, less start-up, over `cp`", limit, "×", figures, beside))
    saved = {kind: cpu(_export(kind, _LARGE), _H5PY) for kind in _WRITE}
    archive = {".keras over zipfile, h5py and `np.savez`": cpu(_export(".keras", _LARGE), _ARCHIVE)}
    more = {kind: resident_over(_export(kind, _LARGE), _tiny(kind)) for kind in _WRITE}
    return [
        *goals,
        Goal("CPU of `export` of 400 MB over h5py and `np.savez` of the `.h5`", 0.42, "×", saved, archive),
        Goal("Resident memory of `export` of 400 MB over start-up", 16, " MiB", more),
    ]


# --- one tensor of 2 GB

_GIANT: dict[str, Write] = {
    "checkpoint": lambda path, d, m: tensorflow_inputs.write_checkpoint(path, d, m, sparse=True),
    ".h5": keras_inputs.write_sparse_h5,
}
_WIDTH = 1_024


def _giant(place: Workspace) -> list[Command]:
    place.need(3 * place.sizes.tensor)
    d = place.sizes.tensor // (16 * _WIDTH)
    commands = []
    for kind, write in _GIANT.items():
        tiny, large = place.folder / f"tiny{kind}", place.folder / f"large{kind}"
        commands.append(_command(_tiny(kind), write(tiny, _TINY, _TINY), place))
        commands.append(_command(_export(kind, "2 GB"), write(large, d, _WIDTH), place, against=_tiny(kind)))
    return commands


def _giant_goals(_: Sizes) -> list[Goal]:
    figures = {kind: resident_over(_export(kind, "2 GB"), _tiny(kind)) for kind in _GIANT}
    return [Goal("Resident memory of `export` of a 2 GB tensor over start-up", 16, " MiB", figures)]


# --- exports that do more than copy


class _Hard(NamedTuple):
    write: Write
    options: tuple[str, ...] = ()


_HARD = {
    "--dtype float16, .h5": _Hard(keras_inputs.write_h5, ("--dtype", "float16")),
    "--dtype float16, checkpoint": _Hard(tensorflow_inputs.write_checkpoint, ("--dtype", "float16")),
    "--dtype float64, .h5": _Hard(keras_inputs.write_h5, ("--dtype", "float64")),
    "--fold-forget-bias": _Hard(tensorflow_inputs.write_tf1, ("--fold-forget-bias",)),
    "CuDNN": _Hard(lambda path, d, m: keras_inputs.write_h5(path, d, m, "CuDNNLSTM")),
    "gzip in .h5": _Hard(
        lambda path, d, m: keras_inputs.write_h5(path, d, m, compression="gzip", compression_opts=1)
    ),
    "deflated .keras": _Hard(lambda path, d, m: keras_inputs.write_keras(path, d, m, zipfile.ZIP_DEFLATED)),
}  # fmt: skip
_PACKED = "200 MB"


def _hard(place: Workspace) -> list[Command]:
    place.need(12 * place.sizes.packed)
    m = units(place.sizes.packed)
    commands = []
    for number, (kind, hard) in enumerate(_HARD.items()):
        tiny, large = place.folder / f"tiny{number}", place.folder / f"large{number}"
        commands.append(_command(_tiny(kind), hard.write(tiny, _TINY, _TINY), place, *hard.options))
        path = hard.write(large, m, m)
        commands.append(_command(_export(kind, _PACKED), path, place, *hard.options, against=_tiny(kind)))
    return commands


def _hard_goals(_: Sizes) -> list[Goal]:
    figures = {kind: resident_over(_export(kind, _PACKED), _tiny(kind)) for kind in _HARD}
    return [Goal("Resident memory of `export` of 200 MB over start-up", 64, " MiB", figures)]


CASES = (
    Case("export: 400 MB", _copies, _copies_goals, rounds=5),
    Case("export: 2 GB in one tensor", _giant, _giant_goals, rounds=1, warm_up=False),
    Case("export: more than copying", _hard, _hard_goals, rounds=1, warm_up=False),
)
