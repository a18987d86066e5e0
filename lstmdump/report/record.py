"""The record of a model: the JSON object that `show` prints, `export` stores, and `check` compares with."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from lstmdump.errors import BadExpectation
from lstmdump.lstm.behaviour import Stated
from lstmdump.model.escape import with_unseen
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.report.facts import LayerFacts, Report

KEY = "__lstmdump__"
"""The key of the record in an archive of arrays."""

_WORDS = ("activation", "recurrent_activation")
FROM_FILE, FROM_SHAPES = "file", "shapes"
"""The values of the key `class_from`: the class is stated by the file, or derived from the shapes."""


class RecordedLayer(NamedTuple):
    """The part of a record on one layer.

    `kind` is its key `class`, and `kind_stated` whether the file states it; `computes` has the keys of that name.
    """

    name: str
    kind: str
    input_dim: int
    units: int
    parameters: int
    kind_stated: bool = True
    computes: Stated = Stated()


class RecordedModel(NamedTuple):
    """The part of a record that `check` reads."""

    model: str
    layers: tuple[RecordedLayer, ...]


def line(value: Mapping[str, Any]) -> str:
    """Return `value` as one line of JSON that is valid UTF-8; invisible characters are escaped."""
    return with_unseen(_encoder().encode(value), _escape)


@cache
def _encoder() -> json.JSONEncoder:
    """Return the encoder of all lines: `json.dumps` makes one for each."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def finite(number: float | None) -> float | None:
    """Return `number`, or None if it is NaN or infinite, which JSON cannot represent."""
    return number if number is not None and math.isfinite(number) else None


def of(report: Report, *, with_others: bool = False) -> dict[str, Any]:
    """Return the record that `show --json` prints; `lstmdump help json` lists the keys."""
    fields: dict[str, Any] = {
        "model": report.model,
        "format": report.format,
        "producer": report.producer,
        "parameters": {"lstm": report.lstm_parameters, "total": report.total},
        "layers": [of_layer(layer) for layer in report.layers],
        "notes": list(report.notes),
    }
    if with_others:
        fields["others"] = [
            {"tensor": other.tensor, "shape": other.shape, "dtype": other.dtype, "parameters": other.parameters}
            | ({} if other.counted else {"counted": False})
            for other in report.others
        ]
    return fields


def error(model: str, message: str) -> dict[str, str]:
    """Return the record of a model that could not be processed."""
    return {"model": model, "error": message}


def of_layer(layer: LayerFacts) -> dict[str, Any]:
    """Return the entry of a layer under the key `layers`."""
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
        "gate_rows": layer.gate_rows,
        "forget_bias": layer.forget_bias,
        **layer.computes._asdict(),
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


def parse(text: str) -> list[RecordedModel]:
    """Return the records in `text`: JSON objects in sequence, one per line as `show` writes them, or over lines.

    Raises:
        BadExpectation: The text is not a sequence of records; the message names the line.
    """
    records: list[RecordedModel] = []
    decoder = json.JSONDecoder()
    position, line_number = 0, 1
    while position < len(text):
        if text[position].isspace():
            line_number += text[position] == "\n"
            position += 1
            continue
        place = f"line {line_number}"
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise BadExpectation(f"{place} is not valid JSON; give the output of `lstmdump show --json`") from error
        records.append(_parse_model(value, place))
        line_number += text.count("\n", position, end)
        position = end
    return records


def parse_one(value: object) -> RecordedModel:
    """Return the record that `value` is, as `of` returns it or JSON holds it.

    Raises:
        BadExpectation: It is not the record of a model.
    """
    if isinstance(value, (str, bytes)):
        raise BadExpectation("what is given is a text, not the record of a model; give what json.loads makes of it")
    return _parse_model(value, "what is given")


def _parse_model(value: object, place: str) -> RecordedModel:
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        raise BadExpectation(f"{place} records that {value.get('model')} could not be read; record it again")
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("model"), str)
        or not isinstance(value.get("layers"), list)
    ):
        raise BadExpectation(f"{place} is not the record of a model; give the output of `lstmdump show --json`")
    if not _is_path(value["model"]):
        raise BadExpectation(f"{place} is the record of a model at {value['model']!r}, which no path can be")
    return RecordedModel(value["model"], tuple(_parse_layer(layer, place) for layer in value["layers"]))


def _is_path(text: str) -> bool:
    """Return whether the system could have a file at `text`, whether there is one or not."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # lone surrogates, but for those that stand for bytes
        return False


def _parse_layer(value: object, place: str) -> RecordedLayer:
    required = {"name": str, "class": str, "input_dim": int, "units": int, "parameters": int}
    if not isinstance(value, dict) or any(type(value.get(key)) is not kind for key, kind in required.items()):
        raise BadExpectation(f"{place}: a layer lacks one of {', '.join(required)}, or one has the wrong type")
    stated, computes = value.get("class_from") != "shapes", _parse_computes(value, place)
    return RecordedLayer(
        value["name"], value["class"], value["input_dim"], value["units"], value["parameters"], stated, computes
    )


def _parse_computes(layer: Mapping[str, Any], place: str) -> Stated:
    """Return what a record states of what a layer computes; records of earlier releases state nothing."""
    found = {key: layer[key] for key in Stated._fields if layer.get(key) is not None}
    for key, value in found.items():
        if key == "cell_clip":
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            fits = isinstance(value, str if key in _WORDS else bool)
        if not fits:
            raise BadExpectation(f"{place}: a layer has a {key} of the wrong type")
    return Stated(**found)
