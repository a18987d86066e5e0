"""`show` of models of other runtimes: small ones, large ones, and such with much beside the LSTM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, runtime_inputs
from benchmarks.goals import Goal, start_up
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command
from benchmarks.show_cases import YARDSTICK, show
from benchmarks.workspace import SAMPLES, Case, Sizes, Workspace

_GRAPH_MODEL = Path(__file__).parents[1] / "readers" / "tfjs" / "models" / "graph-plain-f32" / "model.json"
_SMALL = {
    ".pt": SAMPLES / "torch-2.13-bidirectional.pt",
    ".onnx": SAMPLES / "torch-2.13-net.onnx",
    ".tflite": SAMPLES / "tflite-2.21-weather.tflite",
    "layers model of TensorFlow.js": SAMPLES / "tfjs-4.22-nested",
    "graph model of TensorFlow.js": _GRAPH_MODEL,
}
_LARGE: dict[str, Callable[[Path, int, int], Path]] = {
    ".pt": runtime_inputs.write_pt,
    ".safetensors": runtime_inputs.write_safetensors,
    ".onnx": runtime_inputs.write_onnx,
    ".tflite": runtime_inputs.write_tflite,
    "layers model of TensorFlow.js": runtime_inputs.write_tfjs,
}
_MANY: dict[str, Callable[[Path], Path]] = {
    ".pt, 1,000 arrays beside": lambda path: runtime_inputs.write_pt(path, 3, 4, 1_000),
    ".safetensors, 1,000 arrays beside": lambda path: runtime_inputs.write_safetensors(path, 3, 4, 1_000),
    ".onnx, 15,000 nodes": lambda path: runtime_inputs.write_many_nodes(path, 15_000),
    ".onnx, a cell of 100 steps": lambda path: runtime_inputs.write_unrolled(path, 100),
    ".onnx, a cell of 1,000 steps": lambda path: runtime_inputs.write_unrolled(path, 1_000),
}
_TWO_LAYERS = "graph model of TensorFlow.js, 2 layers"
_LIMIT = 1.7


def _name_large(kind: str) -> str:
    return f"{kind} of 400 MB"


def _prepare(place: Workspace) -> list[Command]:
    place.need(6 * place.sizes.large)
    m = units(place.sizes.large)
    two = runtime_inputs.write_graph_models(place.folder / "two", _GRAPH_MODEL, 2)
    paths = _SMALL | {_TWO_LAYERS: two}
    for number, (kind, write) in enumerate(_LARGE.items()):
        paths[_name_large(kind)] = write(place.folder / f"large{number}", m, m)
    for number, (kind, write_many) in enumerate(_MANY.items()):
        paths[kind] = write_many(place.folder / f"many{number}")
    return [YARDSTICK._replace(counted=True), *(Command(kind, show(path), YARDSTICK.name, counted=True)
                                                for kind, path in paths.items())]  # fmt: skip


def _goals(_: Sizes) -> list[Goal]:
    judged = [*_SMALL, _TWO_LAYERS, *map(_name_large, _LARGE)]
    what = f"{machine.word_of_start_up()} of `show --json` of other runtimes over `import click, json`"
    figures, beside = ({kind: start_up(kind, YARDSTICK.name) for kind in kinds} for kinds in (judged, _MANY))
    return [Goal(what, _LIMIT, "×", figures, beside)]


CASES = (Case("show: other runtimes", _prepare, _goals, rounds=3),)
