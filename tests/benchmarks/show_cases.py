"""`show`: start-up, large files, many layers, many files, and the peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import copies, keras_inputs, peers, tensorflow_inputs
from benchmarks.goals import Figure, Goal, cpu, cpu_each, read_over, resident_over
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command, Words
from benchmarks.workspace import OURS, SAMPLES, Case, Sizes, Workspace, python

H5 = SAMPLES / "keras-2.2.0-weather.h5"
KERAS = SAMPLES / "keras-3.15-func30.keras"
CHECKPOINT = SAMPLES / "keras-3.15-every-format" / "checkpoint"
SAVED_MODEL = SAMPLES / "tf-keras-2.21-func30-savedmodel"
TF1_CHECKPOINT = SAMPLES / "tf-1.12-basic-lstm-cell-checkpoint"
TF1_SAVED_MODEL = SAMPLES / "tf-1.12-basic-lstm-cell"
_SMALL = {"checkpoint": CHECKPOINT, "checkpoint of TensorFlow 1": TF1_CHECKPOINT, "SavedModel": SAVED_MODEL,
          "SavedModel of TensorFlow 1": TF1_SAVED_MODEL}  # fmt: skip
_JSON, _H5PY, _RICH, _CLICK = (
    "import click, json", "import click, h5py", "import click, h5py, rich.console, rich.table", "import click",
)  # fmt: skip
_TERMINAL = "show .h5, on a terminal"


def show(path: Path, *options: str) -> Words:
    """Return the command that shows `path` as JSON."""
    return [OURS, "show", *(options or ("--json",)), path]


def _json(kind: str) -> str:
    return f"show --json, {kind}"


# --- start-up


def _start_up(_: Workspace) -> list[Command]:
    floors = [Command(f"python -c '{code}'", python(code)) for code in ("pass", _CLICK, _JSON, _H5PY, _RICH)]
    ours = [Command(_json(kind), show(path), _floor(_JSON)) for kind, path in _SMALL.items()]
    return [
        *floors,
        Command("--help", [OURS, "--help"], _floor(_CLICK)),
        Command("--version", [OURS, "--version"], _floor(_CLICK)),
        *ours,
        Command(_json(".h5"), show(H5), _floor(_H5PY)),
        Command(_json(".keras"), show(KERAS), _floor(_H5PY)),
        Command(_TERMINAL, [OURS, "show", H5], _floor(_RICH), terminal=True),
    ]


def _floor(code: str) -> str:
    return f"python -c '{code}'"


def _start_up_goals(_: Sizes) -> list[Goal]:
    both = {name: cpu(name, _floor(_CLICK)) for name in ("--help", "--version")}
    return [
        Goal(f"CPU of `show --json` over `{_JSON}`", 1.5, "×",
             {kind: cpu(_json(kind), _floor(_JSON)) for kind in _SMALL}),
        Goal(f"CPU of `show --json` over `{_H5PY}`", 1.15, "×", {".h5": cpu(_json(".h5"), _floor(_H5PY))},
             {".keras": cpu(_json(".keras"), _floor(_H5PY))}),
        Goal(f"CPU of `show` on a terminal over `{_RICH}`", 1.15, "×", {".h5": cpu(_TERMINAL, _floor(_RICH))}),
        Goal(f"CPU over `{_CLICK}`", 1.2, "×", both),
    ]  # fmt: skip


# --- the peers


def _peers(_: Workspace) -> list[Command]:
    names = {
        H5: _json(".h5"),
        KERAS: _json(".keras"),
        CHECKPOINT: _json("checkpoint"),
        SAVED_MODEL: _json("SavedModel"),
    }
    return [
        *(Command(name, show(path)) for path, name in names.items()),
        peers.h5ls(H5, names[H5]),
        peers.h5glance(H5, names[H5]),
        peers.tf_keras_summary(H5, names[H5]),
        peers.keras_summary(KERAS, names[KERAS]),
        peers.list_variables(CHECKPOINT / "weather", names[CHECKPOINT]),
        peers.saved_model_cli(SAVED_MODEL, names[SAVED_MODEL]),
    ]


# --- large files

_LARGE: dict[str, Callable[[Path, int, int], Path]] = {
    ".h5": keras_inputs.write_sparse_h5,
    ".keras": keras_inputs.write_sparse_keras,
    "checkpoint": lambda path, d, m: tensorflow_inputs.write_checkpoint(path, d, m, sparse=True),
    "SavedModel": lambda path, d, m: tensorflow_inputs.write_saved_model(path, d, m, sparse=True),
}


def _large(place: Workspace) -> list[Command]:
    place.need(place.sizes.huge // 10)
    commands = []
    for kind, write in _LARGE.items():
        m = units(place.sizes.huge)
        small, large = _sized(kind, "95 KB"), _sized(kind, "1 GB")
        commands += [
            Command(small, show(write(place.folder / f"small{kind}", 28, 64))),
            Command(large, show(write(place.folder / f"large{kind}", m, m)), small),
        ]
    return commands


def _sized(kind: str, size: str) -> str:
    return f"{_json(kind)} of {size}"


def _large_goals(_: Sizes) -> list[Goal]:
    pairs = {kind: (_sized(kind, "1 GB"), _sized(kind, "95 KB")) for kind in _LARGE}
    return [
        Goal("CPU of `show --json` for 1 GB over 95 KB", 1.1, "×", {kind: cpu(*pair) for kind, pair in pairs.items()}),
        Goal("Bytes read for 1 GB more than for 95 KB", 1, " KiB", {kind: read_over(*pair) for kind, pair in pairs.items()}),
        Goal("Resident memory for 1 GB more than for 95 KB", 1, " MiB",
             {kind: resident_over(*pair) for kind, pair in pairs.items()}),
    ]  # fmt: skip


# --- many layers

_LAYERED: dict[str, Callable[[Path, int], Path]] = {
    ".h5": keras_inputs.write_layers_h5,
    ".keras": keras_inputs.write_layers_keras,
    ".weights.h5": keras_inputs.write_weights,
    "checkpoint": tensorflow_inputs.write_layers_checkpoint,
    "SavedModel": tensorflow_inputs.write_layers_saved_model,
    "checkpoint of TensorFlow 1": tensorflow_inputs.write_layers_tf1,
}
_FEW = 10
_TABLE = ".h5 as a table"


def _layered(kind: str, layers: int) -> str:
    return f"show, {kind}, {layers:,} layers"


def _layers(place: Workspace) -> list[Command]:
    commands = []
    for kind, write in _LAYERED.items():
        for layers in (_FEW, place.sizes.layers):
            path = write(place.folder / f"{layers}{kind}", layers)
            against = _layered(kind, _FEW) if layers > _FEW else ""
            commands.append(Command(_layered(kind, layers), show(path, "--json", "-q"), against))
            if kind == ".h5":
                against = against and _layered(_TABLE, _FEW)
                commands.append(Command(_layered(_TABLE, layers), show(path, "-q"), against))
    return commands


def _layers_goals(sizes: Sizes) -> list[Goal]:
    kinds = [*_LAYERED, _TABLE]
    figures = {kind: cpu(_layered(kind, sizes.layers), _layered(kind, _FEW)) for kind in kinds}
    return [Goal(f"CPU of `show` for {sizes.layers:,} layers over {_FEW}", 3, "×", figures)]


# --- many files


def _files(place: Workspace) -> list[Command]:
    commands = []
    for number, (kind, write) in enumerate(copies.TINY.items()):
        paths = copies.many(place.folder / str(number), write, place.sizes.shown)
        every: Words = [OURS, "show", "--json", "-q", "-T", copies.listed(place.folder / f"{number}.txt", paths)]
        commands.append(Command(_json(kind), show(paths[0], "--json", "-q")))
        commands.append(Command(_several(kind, place.sizes), every, _json(kind)))
    return commands


def _several(kind: str, sizes: Sizes) -> str:
    return f"show --json, {sizes.shown:,} {kind}"


def _files_goals(sizes: Sizes) -> list[Goal]:
    def each(start_up: Callable[[str], str]) -> dict[str, Figure]:
        return {kind: cpu_each(_several(kind, sizes), sizes.shown, start_up(kind)) for kind in copies.TINY}

    less = {f"{kind} less start-up": figure for kind, figure in each(_json).items()}
    promise = f"CPU of `show --json` of {sizes.shown:,} small files in one call, each"
    return [Goal(promise, 3, " ms", each(lambda _: ""), less)]


CASES = (
    Case("show: start-up", _start_up, _start_up_goals, rounds=21),
    Case("show: large files", _large, _large_goals),
    Case("show: many layers", _layers, _layers_goals),
    Case("show: many files", _files, _files_goals, rounds=3, warm_up=False),
    Case("show: peers", _peers),
)
