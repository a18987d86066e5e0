"""Pickles are interpreted as Python itself would, but nothing is imported, called or believed."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from support.pytorch_builders import Call, Name, New, Persistent, Raw, opcodes, pickled

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.readers.pytorch.pickle_machine import EndsEarly, PickleCalls, PickleMachine
from lstmdump.readers.pytorch.pickle_values import PickledName, PickledObject, UnhashableKey
from lstmdump.readers.pytorch.storages import CALLS

VALUES = {
    "numbers": [0, 1, -1, 255, 256, 65535, -(2**31), 2**40, -(2**70), 1.5, float("inf"), True, False, None],
    "texts": ["", "a", "é日本", "x" * 300, b"", b"\0\xff", b"y" * 300],
    "collections": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [[]], {}, {"a": [1], 2: "b", None: ()}],
    "repeated": [[7, 8]] * 3,
}


def run(data: bytes, limits: Limits = DEFAULTS) -> Any:
    return PickleMachine(data, 0, PickleCalls({}, lambda identifier: ("persistent", identifier)), limits).run()[0]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("what", VALUES)
def test_plain_values_are_those_that_python_pickled(what: str, protocol: int) -> None:
    value = [one for one in VALUES[what] if protocol > 2 or not isinstance(one, bytes)]
    assert run(pickle.dumps(value, protocol)) == value


def test_an_array_of_bytes_is_bytes() -> None:
    assert run(pickle.dumps(bytearray(b"z"), 5)) == b"z"


@pytest.mark.parametrize("protocol", range(6))
def test_a_set_becomes_a_list_of_its_items(protocol: int) -> None:
    found = run(pickle.dumps(frozenset({"a", "b"}), protocol))
    items = found if protocol >= 4 else found.args[0]
    assert sorted(items) == ["a", "b"]


def test_the_offset_behind_the_pickle_is_returned() -> None:
    data = pickle.dumps(1, 2) + pickle.dumps("two", 2)
    assert PickleMachine(data, 5, CALLS, DEFAULTS).run() == ("two", len(data))


def test_what_would_be_called_is_not_called() -> None:
    found = run(pickle.dumps(print, 2)[:-1] + b"X\x01\x00\x00\x00a\x85R.")
    assert isinstance(found, PickledObject)
    assert (found.kind.rpartition(".")[2], found.args) == ("print", ("a",))


class Reduced:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, ("raise SystemExit(3)",)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_does_not_run(protocol: int) -> None:
    assert run(pickle.dumps(Reduced(), protocol)).args == ("raise SystemExit(3)",)


@pytest.mark.parametrize(
    "made",
    [b"(S'a'\nios\nsystem\n.", b"(cos\nsystem\nX\1\0\0\0ao.", b"cos\nsystem\n(X\1\0\0\0at\x81.",
     b"\x8c\2os\x8c\6system\x93\x8c\1a\x85R.", b"cos\nsystem\n\x8c\1a\x85}\x92."],
)  # fmt: skip
def test_all_ways_to_make_an_object_name_its_class_only(made: bytes) -> None:
    found = run(made)
    assert (type(found), found.kind, found.args) == (PickledObject, "os.system", ("a",))


def test_an_object_keeps_its_state_items_and_entries() -> None:
    kind = opcodes(Name("m", "C"))
    found = run(b"\x80\2" + kind + b")\x81}X\1\0\0\0aK\1sbK\2a(K\3K\4e(K\5K\6u.")
    assert (found.attributes, found.items, found.entries) == ({"a": 1}, [2, 3, 4], {5: 6})


@pytest.mark.parametrize("state", [({"a": 1}, {"b": 2}), (None, {"a": 1}), {"a": 1}])
def test_the_state_of_a_class_with_slots_is_a_pair(state: Any) -> None:
    assert run(pickled(New(Name("m", "C"), state))).attributes == {"a": 1}


def test_a_persistent_id_is_passed_on() -> None:
    assert run(pickled(Persistent(("storage", 1)))) == ("persistent", ("storage", 1))


def test_an_ordered_dictionary_is_a_dictionary() -> None:
    data = pickle.dumps(OrderedDict(a=1, b=[2]), 2)
    assert PickleMachine(data, 0, CALLS, DEFAULTS).run()[0] == {"a": 1, "b": [2]}


def test_a_key_that_takes_hours_to_hash_stands_for_itself() -> None:
    doubled = b")" + b"2\x86" * 60  # a tuple of 2**60 empty ones
    (key,) = run(b"\x80\2}" + doubled + b"K\1s.")
    assert isinstance(key, UnhashableKey)


@pytest.mark.parametrize("key", [b"]", b"}", b")", b"cm\nC\n"])
def test_unusual_keys_are_taken(key: bytes) -> None:
    (found,) = run(b"\x80\2}" + key + b"K\1s.")
    assert isinstance(found, UnhashableKey)


def test_a_value_within_itself_is_read() -> None:
    found = run(b"\x80\2]q\0h\0a.")
    assert found[0] is found


@pytest.mark.parametrize("length", range(24))
def test_a_pickle_that_is_cut_short_says_so(length: int) -> None:
    data = pickle.dumps({"a": [1.5, (2, "b")]}, 2)
    with pytest.raises(EndsEarly, match="cut short"):
        run(data[:length])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\2\xff.", "the opcode or the memo 255"),
        (b"\x80\2h\7.", "the opcode or the memo 7"),
        (b"\x80\2R.", "empty stack"),
        (b"\x80\2t.", "no mark"),
        (b"\x80\2(.", "a mark for a value"),
        (b"\x80\2(2.", "a mark for a value"),
        (b"\x80\6N.", "protocol 6"),
        (b"\x80\2K\1K\2a.", "something other than a list"),
        (b"\x80\2]K\1K\2s.", "something other than a dictionary"),
        (b"\x80\2}(K\1u.", "something other than a dictionary"),
        (b"\x80\2K\1K\2\x93.", "something other than text"),
        (b"\x80\2X\1\0\0\0\xff.", "damaged"),
        (b"\x80\2Ix\n.", "damaged"),
        (b"\x80\2I" + b"9" * 5000 + b"\n.", "a number of 5,000 digits"),
        (b"\x80\2\x8b\0\4\0\0" + bytes(1024) + b".", "a number of 1,024 bytes"),
        (b"\x80\2Sx\n.", "without quotes"),
        (b"\x80\2Fx\n.", "damaged"),
        (b"\x80\2Np" + b"9" * 5000 + b"\n.", "a memo of too many digits"),
    ],
)
def test_a_damaged_pickle_is_reported(data: bytes, words: str) -> None:
    with pytest.raises(CorruptModel, match=words):
        run(data)


@pytest.mark.parametrize(
    "data", [b"\x80\2\x82\1.", b"\x80\2\x83\1\0.", b"\x80\2\x84\1\0\0\0.", b"\x80\5\x97.", b"\x80\5\x98."]
)
def test_objects_of_the_reading_program_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedModel, match="refers to objects outside of it"):
        run(data)


def test_a_text_longer_than_the_pickle_takes_no_memory() -> None:
    with pytest.raises(EndsEarly):
        run(b"\x80\4\x8d" + struct.pack("<Q", 2**62))


def test_the_number_of_opcodes_is_limited() -> None:
    with pytest.raises(RefusedModel, match=r"more than 100 opcodes; --limit nodes=200 allows it"):
        run(b"\x80\2" + b"N0" * 100 + b"N.", Limits(nodes=100))


def test_as_many_opcodes_as_the_limit_are_read() -> None:
    assert run(b"N0" * 49 + b"N.", Limits(nodes=100)) is None


def test_deep_nesting_is_read_without_recursion() -> None:
    found = run(b"\x80\2)" + b"\x85" * 100_000 + b".")
    assert len(found) == 1


def test_a_known_function_makes_its_value() -> None:
    calls = PickleCalls({"m.f": lambda args: args[0] + 1}, lambda one: one)
    assert PickleMachine(pickled(Call(Name("m", "f"), (2,))), 0, calls, DEFAULTS).run()[0] == 3


def test_a_name_is_not_imported() -> None:
    found = run(pickled(Name("no_such_module", "f")))
    assert isinstance(found, PickledName)
    assert found.full == "no_such_module.f"


def test_opcodes_as_they_are() -> None:
    assert run(pickled([1, Raw(b"K\2")])) == [1, 2]


def test_keys_cannot_all_have_the_same_hash() -> None:
    # Python's hash of a whole number is its remainder of 2**61 - 1, so that entries of a dictionary would collide.
    keys = {turn * (2**61 - 1): None for turn in range(1, 1000)}
    assert len({hash(key) for key in run(pickle.dumps(keys, 2))}) > 900


def test_a_memo_of_an_impossible_number_is_corrupt() -> None:
    with pytest.raises(CorruptModel, match="memo"):
        run(b"]p%d\n." % (2**61 - 1))
