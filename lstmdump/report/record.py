"""The record of a model: the JSON object that `show` prints, `export` stores and `check` compares with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from lstmdump.model.escape import with_unseen
from lstmdump.report.facts import LayerFacts, Report

KEY = "__lstmdump__"
"""What the record is called in an archive of arrays."""

FROM_FILE, FROM_SHAPES = "file", "shapes"
"""Where a class is from, as the key `class_from` says."""


def line(value: Mapping[str, Any]) -> str:
    """VALUE as one line of JSON that can be written as UTF-8, and shown: what cannot be seen is escaped."""
    return with_unseen(json.dumps(value, ensure_ascii=False, allow_nan=False), _escaped)


def _escaped(sign: str) -> str:
    return json.dumps(sign)[1:-1]


def finite(number: float | None) -> float | None:
    """NUMBER, or None where it is NaN or infinite, which JSON has not."""
    return number if number is not None and math.isfinite(number) else None


def of(report: Report, *, with_others: bool = False) -> dict[str, Any]:
    """The record of `show --json`; its keys are documented in README."""
    fields: dict[str, Any] = {
        "model": report.model,
        "format": report.format,
        "producer": report.producer,
        "parameters": {"lstm": report.lstm_parameters, "total": report.total},
        "layers": [_layer(layer) for layer in report.layers],
        "notes": list(report.notes),
    }
    if with_others:
        fields["others"] = [
            {"tensor": other.tensor, "shape": other.shape, "dtype": other.dtype, "parameters": other.parameters}
            for other in report.others
        ]
    return fields


def error(model: str, message: str) -> dict[str, str]:
    """The record of a model that could not be handled."""
    return {"model": model, "error": message}


def _layer(layer: LayerFacts) -> dict[str, Any]:
    return {
        "name": layer.name,
        "class": layer.kind,
        "class_from": FROM_FILE if layer.kind_stated else FROM_SHAPES,
        "input_dim": layer.input_dim,
        "units": layer.units,
        "projection": layer.projection,
        "peepholes": layer.peepholes,
        "use_bias": layer.use_bias,
        "gate_order": layer.gate_order,
        "gate_columns": layer.gate_columns,
        "forget_bias": layer.forget_bias,
        "parameters": layer.parameters,
        "formula": layer.formula,
        "weights": [
            {
                "name": weight.name,
                "tensor": weight.tensor,
                "shape": weight.shape,
                "dtype": weight.dtype,
                "parameters": weight.parameters,
                "formula": weight.formula,
            }
            for weight in layer.weights
        ],
    }
