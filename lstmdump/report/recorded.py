"""What was once recorded: the JSON records of models, read back from a file."""

from __future__ import annotations

import json
from typing import NamedTuple

from lstmdump.errors import BadExpectation


class RecordedLayer(NamedTuple):
    """What a record says of one layer; `kind` is its key `class`, stated by the model's file or by the shapes only."""

    name: str
    kind: str
    input_dim: int
    units: int
    parameters: int
    kind_stated: bool = True


class RecordedModel(NamedTuple):
    """What a record says of one model."""

    model: str
    layers: tuple[RecordedLayer, ...]


def parse(text: str) -> list[RecordedModel]:
    """The records in TEXT: one JSON object after the other, each on a line as `show` writes them, or laid out freely.

    Raises:
        BadExpectation: the text is no such thing; the message says where.
    """
    records: list[RecordedModel] = []
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        place = f"line {text.count(chr(10), 0, position) + 1}"
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise BadExpectation(f"{place} is no JSON; give what `lstmdump show --json` wrote") from error
        records.append(_recorded_model(value, place))
    return records


def _recorded_model(value: object, place: str) -> RecordedModel:
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        raise BadExpectation(f"{place} records that {value.get('model')} could not be read, not what it holds")
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("model"), str)
        or not isinstance(value.get("layers"), list)
    ):
        raise BadExpectation(f"{place} is no record of a model; give what `lstmdump show --json` wrote")
    return RecordedModel(value["model"], tuple(_recorded_layer(layer, place) for layer in value["layers"]))


def _recorded_layer(value: object, place: str) -> RecordedLayer:
    wanted = {"name": str, "class": str, "input_dim": int, "units": int, "parameters": int}
    if not isinstance(value, dict) or any(not isinstance(value.get(key), kind) for key, kind in wanted.items()):
        raise BadExpectation(f"{place}: a layer lacks one of {', '.join(wanted)}, or has it of another type")
    stated = value.get("class_from") != "shapes"
    return RecordedLayer(value["name"], value["class"], value["input_dim"], value["units"], value["parameters"], stated)
