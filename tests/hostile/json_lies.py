"""Wrong JSON: bombs, values of other types, invalid text. Each function returns bytes made from a good value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any

Change = Callable[[Any, Random], bytes]

_ODD: tuple[Any, ...] = (None, True, 0, -1, 1.5, 1e308, 10**30, -(10**18), "", "x", [], {}, [None], [[[]]], {"a": {"a": 1}},
                         ["a", "b"], [[1, 2]] * 3, "\ud800", "\x00\x1b", {"class_name": "LSTM"},
                         {"class_name": "LSTM", "config": {}}, {"class_name": "LSTM", "config": []})  # fmt: skip


def lies() -> Mapping[str, Change]:
    """Return the ways to spoil JSON, by name."""
    return {name.strip("_").replace("_", " "): how for name, how in globals().items() if name.startswith("_json")}


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value within `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _replaced(value: Any, random: Random, by: Callable[[Any], Any]) -> Any:
    """Return `value` with a random part of it replaced."""
    changed = deepcopy(value)
    places = list(_places(changed))
    if not places:
        return by(changed)
    *way, last = random.choice(places)
    holder = changed
    for step in way:
        holder = holder[step]
    holder[last] = by(holder[last])
    return changed


def _json_of_another_type(value: Any, random: Random) -> bytes:
    return _text(_replaced(value, random, lambda _: random.choice(_ODD)))


def _json_of_other_types_here_and_there(value: Any, random: Random) -> bytes:
    for _ in range(random.randint(2, 6)):
        value = _replaced(value, random, lambda _: random.choice(_ODD))
    return _text(value)


def _json_within_itself(value: Any, random: Random) -> bytes:
    for _ in range(random.randint(1, 10)):
        whole = deepcopy(value)
        value = _replaced(value, random, lambda _, whole=whole: whole)
    return _text(value)


def _json_with_a_very_long_number(value: Any, random: Random) -> bytes:
    return _text(_replaced(value, random, lambda _: "NUMBER")).replace(
        b'"NUMBER"', b"9" * random.choice([400, 5000, 100_000])
    )


def _json_with_nan_or_infinity(value: Any, random: Random) -> bytes:
    return _text(_replaced(value, random, lambda _: random.choice([float("nan"), float("inf"), -float("inf")])))


def _json_with_strange_text(value: Any, random: Random) -> bytes:
    return _text(
        _replaced(value, random, lambda _: random.choice(["\x1b[2J", "\u202e", "\ud83d", "[bold]", "\0", "a" * 10_000]))
    )


def _json_of_lists_in_lists(_: Any, random: Random) -> bytes:
    depth = random.choice([500, 2000, 200_000])
    return b"[" * depth + b"]" * depth


def _json_of_objects_in_objects(value: Any, random: Random) -> bytes:
    depth = random.choice([500, 2000, 100_000])
    deep = b'{"config":' * depth + b"1" + b"}" * depth
    return _text(_replaced(value, random, lambda _: "DEEP")).replace(b'"DEEP"', deep)


def _json_of_models_in_models(value: Any, random: Random) -> bytes:
    depth = random.choice([150, 250, 2000])
    start = b'{"class_name": "Sequential", "config": {"name": "s", "layers": ['
    return start * depth + _text(value) + b"]}}" * depth


def _json_of_many_layers(_: Any, random: Random) -> bytes:
    layer = {"class_name": random.choice(["LSTM", "Dense", "Bidirectional"]), "config": {"name": "x", "units": 3}}
    return _text({"class_name": "Sequential", "config": {"name": "s", "layers": [layer] * 5000}})


def _json_of_many_keys(value: Any, _: Random) -> bytes:
    return _text({**value, **{str(number): {} for number in range(50_000)}} if isinstance(value, dict) else value)


def _json_with_a_key_twice(value: Any, random: Random) -> bytes:
    text = _text(value)
    return text[:-1] + b", " + _text(_replaced(value, random, lambda _: random.choice(_ODD)))[1:]


def _json_cut_short(value: Any, random: Random) -> bytes:
    text = _text(value)
    return text[: random.randrange(len(text))]


def _json_with_trailing_data(value: Any, random: Random) -> bytes:
    return _text(value) + random.choice([b"}", b"{}", b"\0", b"\xff", b" \n\n "])


def _json_in_another_encoding(value: Any, random: Random) -> bytes:
    return _text(value).decode().encode(random.choice(["utf-16", "utf-32", "utf-8-sig", "cp500"]))


def _json_that_is_not_text(value: Any, random: Random) -> bytes:
    text = bytearray(_text(value))
    for _ in range(5):
        text[random.randrange(len(text))] = random.randrange(128, 256)
    return bytes(text)


def _json_of_a_single_value(_: Any, random: Random) -> bytes:
    return random.choice([b"null", b"true", b"0", b'""', b"[]", b"{}", b"NaN", b"", b" ", b"-"])


def _json_of_whitespace(_: Any, __: Random) -> bytes:
    return b" " * (1 << 20)
