"""All targets, and the directories of seeds and regressions."""

from __future__ import annotations

from pathlib import Path

from hostile.fuzz import (
    archive_targets,
    detection_targets,
    keras_targets,
    node_targets,
    onnx_targets,
    pytorch_targets,
    tensorflow_targets,
    tfjs_targets,
    tflite_targets,
    wire_targets,
)
from hostile.fuzz.sections import packed
from hostile.fuzz.target import Target

_PLACES = (
    wire_targets,
    tensorflow_targets,
    keras_targets,
    archive_targets,
    node_targets,
    onnx_targets,
    pytorch_targets,
    tfjs_targets,
    tflite_targets,
    detection_targets,
)
TARGETS: dict[str, Target] = {target.name: target for place in _PLACES for target in place.TARGETS}

ROOT = Path(__file__).parents[3]
MODELS = (ROOT / "sample_models", ROOT / "tests" / "genuine")
REGRESSIONS = ROOT / "tests" / "hostile" / "regressions"
_LARGEST = 60_000  # bytes of a seed: larger ones only make each execution slower


def seeds(target: Target, roots: tuple[Path, ...] = MODELS) -> list[bytes]:
    """Return the good inputs of `target`, made from the models in `roots`, smallest first."""
    found = {packed(target.padded(parts)) for parts in target.seeds(roots)}
    return sorted((data for data in found if len(data) <= _LARGEST), key=lambda data: (len(data), data))


def regressions(name: str) -> list[Path]:
    """Return the inputs that are kept for the target `name`."""
    return sorted((REGRESSIONS / name).glob("*"))
