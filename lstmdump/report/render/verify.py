"""The result of `verify`: a line per layer, or a JSON object per model."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.model.escape import visible
from lstmdump.replay.verify import LayerVerdict, ModelVerdict
from lstmdump.report import record


def text_lines(verdict: ModelVerdict) -> Iterator[str]:
    """Yield a line per layer: `weather.h5: lstm_1: agrees with tf_keras.layers.LSTM, largest difference 2.2e-16`."""
    for layer in verdict.layers:
        yield f"{visible(verdict.model)}: {visible(layer.layer)}: {_describe_outcome(layer, verdict.tolerance)}"


def _describe_outcome(layer: LayerVerdict, tolerance: float) -> str:
    remarks = "; ".join(map(visible, layer.notes))
    if layer.difference is None:
        return remarks
    difference = f"largest difference {layer.difference:.2g}"
    words = (
        f"agrees with {layer.cell}, {difference}"
        if layer.agrees
        else f"differs from {layer.cell}, {difference}, tolerance {tolerance:g}"
    )
    return f"{words} ({remarks})" if remarks else words


def json_line(verdict: ModelVerdict) -> str:
    """Return the verdict as one line of JSON; `lstmdump help json` lists the keys."""
    return record.line({
        "model": verdict.model,
        "ok": verdict.agrees,
        "tolerance": verdict.tolerance,
        "seed": verdict.seed,
        "layers": [
            {
                "name": layer.layer,
                "class": layer.kind,
                "cell": layer.cell,
                "computed_in": layer.dtype,
                "difference": record.finite(layer.difference),
                "agrees": layer.agrees,
            }
            for layer in verdict.layers
        ],
        "notes": [f"{layer.layer}: {note}" for layer in verdict.layers for note in layer.notes],
    })  # fmt: skip
