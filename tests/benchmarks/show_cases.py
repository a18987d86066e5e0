"""`show`: start-up, large files, many layers, many files, and the peers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import copies, keras_inputs, machine, peers, tensorflow_inputs
from benchmarks.goals import Figure, Goal, cpu, cpu_each, read_over, resident, resident_over, start_up
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command, Words
from benchmarks.workspace import OURS, SAMPLES, Case, Sizes, Workspace, python

H5 = SAMPLES / "keras-2.2.0-weather.h5"
KERAS = SAMPLES / "keras-3.15-func30.keras"
WEIGHTS = SAMPLES / "keras-3.15-every-format" / "model.weights.h5"
CHECKPOINT = SAMPLES / "keras-3.15-every-format" / "checkpoint"
SAVED_MODEL = SAMPLES / "tf-keras-2.21-func30-savedmodel"
TF1_CHECKPOINT = SAMPLES / "tf-1.12-basic-lstm-cell-checkpoint"
TF1_SAVED_MODEL = SAMPLES / "tf-1.12-basic-lstm-cell"
_SMALL = {".h5": H5, ".keras": KERAS, ".weights.h5": WEIGHTS, "checkpoint": CHECKPOINT, "SavedModel": SAVED_MODEL,
          "SavedModel of TensorFlow 1": TF1_SAVED_MODEL, "checkpoint of TensorFlow 1": TF1_CHECKPOINT}  # fmt: skip
_PASS, _CLICK, _JSON = "pass", "import click", "import click, json"
_TERMINAL = "show .h5, on a terminal"


def show(path: Path, *options: str) -> Words:
    """Return the command that shows `path` as JSON."""
    return [OURS, "show", *(options or ("--json",)), path]


def _json(kind: str) -> str:
    return f"show --json, {kind}"


# --- start-up


def _start_up(_: Workspace) -> list[Command]:
    commands = [
        *(Command(floor(code), python(code)) for code in (_PASS, _CLICK, _JSON)),
        Command("--version", [OURS, "--version"], floor(_PASS)),
        Command("--help", [OURS, "--help"], floor(_CLICK)),
        *(Command(_json(kind), show(path), floor(_JSON)) for kind, path in _SMALL.items()),
    ]
    on_terminal = Command(_TERMINAL, [OURS, "show", H5], floor(_JSON), terminal=True)
    return [*(command._replace(counted=True) for command in commands), on_terminal]


def floor(code: str) -> str:
    """Return the name of the command that runs `code`."""
    return f"python -c '{code}'"


YARDSTICK = Command(floor(_JSON), python(_JSON))
"""The command that every figure of the start-up is compared with."""


def _start_up_goals(_: Sizes) -> list[Goal]:
    def over(code: str, *names: str) -> dict[str, Figure]:
        return {name.removeprefix(_json("")): start_up(name, floor(code)) for name in names}

    what = machine.word_of_start_up()
    return [
        *(Goal(f"{what} of `show --json` over `{_JSON}`", limit, "×", over(_JSON, *map(_json, kinds)))
          for limit, kinds in ((1.5, [".h5"]), (1.8, [".keras", ".weights.h5"]), (1.55, ["checkpoint", "SavedModel"]))),
        Goal(f"{what} of `show --json` over `{_JSON}`", 1.75, "×", over(_JSON, _json("SavedModel of TensorFlow 1")),
             over(_JSON, _json("checkpoint of TensorFlow 1"))),
        Goal("Resident memory of `show --json`", 16, " MiB", {".h5": resident(_json(".h5"))},
             {kind: resident(_json(kind)) for kind in (".keras", ".weights.h5", "checkpoint")}),
        Goal(f"{what} over `python -c pass`", 1.3, "×", over(_PASS, "--version")),
        Goal(f"{what} over `{_CLICK}`", 1.2, "×", over(_CLICK, "--help")),
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
        for layers in (_FEW, place.sizes.layers, place.sizes.more_layers):
            path = write(place.folder / f"{layers}{kind}", layers)
            commands.append(Command(_layered(kind, layers), show(path, "--json", "-q")))
            if kind == ".h5":
                commands.append(Command(_layered(_TABLE, layers), show(path, "-q")))
    return commands


def _layers_goals(sizes: Sizes) -> list[Goal]:
    def grown(kind: str) -> Figure:
        few, many, more = (_layered(kind, layers) for layers in (_FEW, sizes.layers, sizes.more_layers))
        return lambda one: (one[more].cpu - one[few].cpu) / (one[many].cpu - one[few].cpu)

    figures = {kind: grown(kind) for kind in [*_LAYERED, _TABLE]}
    promise = f"CPU of `show` for {sizes.more_layers:,} layers over {sizes.layers:,}, less that for {_FEW}"
    return [Goal(promise, 7, "×", figures)]


# --- many files


def _files(place: Workspace) -> list[Command]:
    commands = [YARDSTICK]
    for number, (kind, write) in enumerate(copies.TINY.items()):
        paths = copies.many(place.folder / str(number), write, place.sizes.shown)
        every: Words = [OURS, "show", "--json", "-q", "-T", copies.listed(place.folder / f"{number}.txt", paths)]
        commands.append(Command(_several(kind, place.sizes), every, YARDSTICK.name))
    return commands


def _several(kind: str, sizes: Sizes) -> str:
    return f"show --json, {sizes.shown:,} {kind}"


def _files_goals(sizes: Sizes) -> list[Goal]:
    each = {kind: cpu_each(_several(kind, sizes), sizes.shown, against=YARDSTICK.name) for kind in copies.TINY}
    promise = f"CPU of `show --json` of {sizes.shown:,} small files in one call, each, over `{_JSON}`"
    return [Goal(promise, 0.015, "×", {".h5": each.pop(".h5")}, each)]


CASES = (
    Case("show: start-up", _start_up, _start_up_goals, rounds=21),
    Case("show: large files", _large, _large_goals),
    Case("show: many layers", _layers, _layers_goals),
    Case("show: many files", _files, _files_goals, rounds=5, warm_up=False),
    Case("show: peers", _peers),
)
