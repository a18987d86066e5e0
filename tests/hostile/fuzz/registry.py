"""All targets, and where their seeds and regressions lie."""

from __future__ import annotations

from pathlib import Path

from hostile.fuzz import detection_targets, keras_targets, tensorflow_targets, wire_targets
from hostile.fuzz.sections import packed
from hostile.fuzz.target import Target

_PLACES = (wire_targets, tensorflow_targets, keras_targets, detection_targets)
TARGETS: dict[str, Target] = {target.name: target for place in _PLACES for target in place.TARGETS}

ROOT = Path(__file__).parents[3]
MODELS = (ROOT / "sample_models", ROOT / "tests" / "genuine")
REGRESSIONS = ROOT / "tests" / "hostile" / "regressions"
_LARGEST = 60_000  # bytes of a seed: what is larger only makes each try take longer


def seeds(target: Target, roots: tuple[Path, ...] = MODELS) -> list[bytes]:
    """The good inputs of TARGET, made of the models in ROOTS, smallest first."""
    found = {packed(target.padded(parts)) for parts in target.seeds(roots)}
    return sorted((data for data in found if len(data) <= _LARGEST), key=lambda data: (len(data), data))


def regressions(name: str) -> list[Path]:
    """The inputs that are kept for the target NAME."""
    return sorted((REGRESSIONS / name).glob("*"))
