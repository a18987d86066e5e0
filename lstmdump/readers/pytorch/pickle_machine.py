"""An interpreter of pickles that executes nothing: each opcode moves values that do nothing on a stack.

What unpickling would import is a name here, and what it would call is recorded; see `pickle_values`. An opcode takes at
least a byte and makes at most one value, and the number of opcodes is limited, so that time and memory are, too. What
an opcode takes must not depend on what the memo holds: a million opcodes can take a million times the same value.
Source: `pickletools` and `pickle` in Python 3.14, for all protocols.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.pytorch.pickle_values import PickledName, PickledObject, as_key

_DIGITS_OF_MEMO = 10  # as many as a number of 4 bytes has
_LONGEST_NAME = 1000  # characters of a class with its module
_MOST_DIGITS = 640  # characters or bytes of a number; the time to convert one grows with their square
_LARGEST_MEMO = 1 << 32  # as in the opcodes of four bytes; larger numbers can all have one hash
_TRUE, _FALSE = b"01", b"00"  # of protocol 0


def too_long(called: str, size: int) -> RefusedModel:
    """Return the error for a pickle of at least `size` bytes, which is too long."""
    return limit_exceeded("json_size", f"{called} has {size:,} bytes", needed=size)


class EndsEarly(CorruptModel):
    """The pickle is cut short."""


class PickleCalls(NamedTuple):
    """What a machine knows besides plain values.

    Attributes:
        known: By the name of a function, what makes a plain value of its arguments.
        persistent: Makes a value of a persistent id, which stands for data outside of the pickle.
    """

    known: Mapping[str, Callable[[Any], Any]]
    persistent: Callable[[Any], Any]


_STOP = ord(".")
_LAST_PROTOCOL = 5
_LONG_BINPUT, _BINGET, _BININT1, _BINUNICODE = b"rhKX"
_uint32 = struct.Struct("<I").unpack_from


class _Mark:
    """The mark on the stack before the items of a collection."""


_MARK = _Mark()


class PickleMachine:
    """An interpreter of the pickle in `data`, from byte `start` on.

    Args:
        data: The bytes.
        start: The offset of the first opcode.
        calls: What the machine knows besides plain values.
        limits: The limits for the number of opcodes.
    """

    def __init__(self, data: bytes, start: int, calls: PickleCalls, limits: Limits) -> None:
        self._data = data
        self._at = start
        self._calls = calls
        self._most = limits.nodes
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        """Return the value of the pickle, and the offset behind it.

        Raises:
            CorruptModel: It is not a pickle, or damaged.
            EndsEarly: It is cut short.
            RefusedModel: It has too many opcodes, or an opcode that no file of PyTorch has.
        """
        try:
            return self._run()
        except KeyError as error:
            raise CorruptModel(f"the pickle has the opcode or the memo {error}, which it cannot have") from error
        except IndexError as error:
            if self._at >= len(self._data):
                raise EndsEarly("the pickle is cut short") from error
            raise CorruptModel("the pickle takes a value from an empty stack") from error
        except ValueError as error:
            raise CorruptModel(f"the pickle is damaged ({error})") from error

    def _run(self) -> tuple[Any, int]:
        """Interpret one opcode after the other.

        A file of PyTorch has about 35 for each array. The four that make up two thirds of these have no function of
        their own, which would take longer to call than what it does.
        """
        data, stack, memo, opcodes, at = self._data, self._stack, self._memo, self._opcodes, self._at
        push, size, left = stack.append, len(data), self._most
        while True:  # Python 3.11 makes no other loop fast that runs in the first call of a function
            if left <= 0:
                raise limit_exceeded("nodes", f"the pickle has more than {self._most:,} opcodes", needed=2 * self._most)
            left -= 1
            if at >= size:
                raise EndsEarly("the pickle is cut short")
            code = data[at]
            if code == _LONG_BINPUT and at + 5 <= size and stack and (value := stack[-1]) is not _MARK:
                memo[_uint32(data, at + 1)[0]] = value
                at += 5
            elif code == _BININT1 and at + 2 <= size:
                push(data[at + 1])
                at += 2
            elif code == _BINGET and at + 2 <= size and (number := data[at + 1]) in memo:
                push(memo[number])
                at += 2
            elif code == _BINUNICODE and at + 5 <= size and (stop := at + 5 + _uint32(data, at + 1)[0]) <= size:
                push(data[at + 5 : stop].decode("utf-8", "surrogatepass"))
                at = stop
            elif code == _STOP:
                self._at = at + 1
                return self._pop(), self._at
            else:
                self._at = at + 1
                opcodes[code](self)
                at = self._at

    # Reading

    def _take(self, size: int) -> bytes:
        stop = self._at + size
        if stop > len(self._data):
            raise EndsEarly("the pickle is cut short")
        found = self._data[self._at : stop]
        self._at = stop
        return found

    def _line(self) -> bytes:
        stop = self._data.find(b"\n", self._at)
        if stop < 0:
            raise EndsEarly("the pickle is cut short")
        found = self._data[self._at : stop]
        self._at = stop + 1
        return found

    def _size(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def _sized(self, width: int) -> bytes:
        """Return the bytes behind a length of `width` bytes."""
        return self._take(self._size(width))

    def _text(self, width: int) -> str:
        return self._sized(width).decode("utf-8", "surrogatepass")

    # The stack

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise CorruptModel("the pickle takes a mark for a value")
        return value

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        at = len(stack) - 1
        while at >= 0 and stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise CorruptModel("the pickle has no mark where it needs one")
        found = stack[at + 1 :]
        del stack[at:]
        return found

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _top(self) -> Any:
        value = self._stack[-1]
        if value is _MARK:
            raise CorruptModel("the pickle takes a mark for a value")
        return value

    # Opcodes

    def _push_tuple_of_mark(self) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _push_single(self) -> None:
        self._stack.append((self._pop(),))

    def _push_pair(self) -> None:
        second, first = self._pop(), self._pop()
        self._stack.append((first, second))

    def _push_triple(self) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._stack.append((first, second, third))

    def _push_persistent(self) -> None:
        self._stack.append(self._calls.persistent(self._pop()))

    def _push_decimal(self) -> None:
        line = self._line().rstrip(b"L")
        if line in (_TRUE, _FALSE):
            self._push(line == _TRUE)
            return
        if len(line) > _MOST_DIGITS:
            raise CorruptModel(f"the pickle has a number of {len(line):,} digits")
        self._push(int(line))

    def _push_long(self, width: int) -> None:
        size = self._size(width)
        if size > _MOST_DIGITS:
            raise CorruptModel(f"the pickle has a number of {size:,} bytes")
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def _push_quoted(self) -> None:
        line = self._line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise CorruptModel("the pickle has a text without quotes")
        self._push(line[1:-1].decode("latin-1"))

    def _push_name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise CorruptModel("the pickle names a class by something other than text")
        if len(module) + len(name) > _LONGEST_NAME:
            raise CorruptModel(f"the pickle names a class by {len(module) + len(name):,} characters")
        self._push(PickledName(module, name))

    def _push_name_of_lines(self) -> None:
        self._push_name(self._line().decode("utf-8"), self._line().decode("utf-8"))

    def _push_name_of_stack(self) -> None:
        name, module = self._pop(), self._pop()
        self._push_name(module, name)

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        self._stack.append(self._call(function, args))

    def _call(self, function: Any, args: Any) -> Any:
        known = self._calls.known.get(function.full) if isinstance(function, PickledName) else None
        return PickledObject(function, args) if known is None else known(args)

    def _push_call(self, function: Any, args: Any) -> None:
        self._stack.append(self._call(function, args))

    def _make_with_keywords(self) -> None:
        _, args, function = self._pop(), self._pop(), self._pop()
        self._push_call(function, args)

    def _make_from_mark(self) -> None:
        function, *args = self._pop_to_mark() or [None]
        self._push_call(function, tuple(args))

    def _make_from_lines(self) -> None:
        args = self._pop_to_mark()
        self._push_name_of_lines()
        self._push_call(self._pop(), tuple(args))

    def _build(self) -> None:
        state, value = self._pop(), self._top()
        if isinstance(value, PickledObject):
            value.state = state

    def _append(self, items: list[Any]) -> None:
        into = self._top()
        if isinstance(into, PickledObject):
            into.add_items(items)
        elif isinstance(into, list):
            into += items
        else:
            raise CorruptModel("the pickle appends to something other than a list")

    def _append_one(self) -> None:
        self._append([self._pop()])

    def _set(self, flat: list[Any]) -> None:
        into = self._top()
        entries = into.own_entries() if isinstance(into, PickledObject) else into
        if not isinstance(entries, dict) or len(flat) % 2:
            raise CorruptModel("the pickle sets items in something other than a dictionary")
        for at in range(0, len(flat), 2):
            entries[as_key(flat[at])] = flat[at + 1]

    def _set_one(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _push_dict_of_mark(self) -> None:
        flat = self._pop_to_mark()
        self._push({})
        self._set(flat)

    def _remember(self, number: int) -> None:
        self._memo[number] = self._top()

    def _recall(self, number: int) -> None:
        self._push(self._memo[number])

    def _number_of_line(self) -> int:
        line = self._line()
        if len(line) > _DIGITS_OF_MEMO:
            raise CorruptModel("the pickle has a memo of too many digits")
        number = int(line)
        if not 0 <= number < _LARGEST_MEMO:
            raise CorruptModel(f"the pickle has a memo {number}, which it cannot have")
        return number

    def _require_known_protocol(self) -> None:
        protocol = self._take(1)[0]
        if protocol > _LAST_PROTOCOL:
            raise CorruptModel(f"the pickle has protocol {protocol}, and {_LAST_PROTOCOL} is the last one")

    def _drop(self, _: Any) -> None:
        """Do nothing with a value that is not needed."""

    def _refuse(self) -> None:
        raise RefusedModel("the pickle refers to objects outside of it, as no file of PyTorch does")

    _opcodes: ClassVar[Mapping[int, Callable[[PickleMachine], None]]] = {
        0x80: _require_known_protocol,
        0x95: lambda self: self._drop(self._take(8)),  # a frame, which a reader may ignore
        ord("("): lambda self: self._stack.append(_MARK),
        ord("0"): lambda self: self._drop(self._stack.pop()),
        ord("1"): lambda self: self._drop(self._pop_to_mark()),
        ord("2"): lambda self: self._push(self._top()),
        # Plain values
        ord("N"): lambda self: self._stack.append(None),
        0x88: lambda self: self._stack.append(True),
        0x89: lambda self: self._stack.append(False),
        ord("I"): _push_decimal,
        ord("L"): _push_decimal,
        ord("J"): lambda self: self._push(struct.unpack("<i", self._take(4))[0]),
        ord("K"): lambda self: self._push(self._size(1)),
        ord("M"): lambda self: self._push(self._size(2)),
        0x8A: lambda self: self._push_long(1),
        0x8B: lambda self: self._push_long(4),
        ord("F"): lambda self: self._push(float(self._line())),
        ord("G"): lambda self: self._push(struct.unpack(">d", self._take(8))[0]),
        ord("S"): _push_quoted,
        ord("T"): lambda self: self._push(self._sized(4).decode("utf-8", "surrogateescape")),
        ord("U"): lambda self: self._push(self._sized(1).decode("utf-8", "surrogateescape")),
        ord("V"): lambda self: self._push(self._line().decode("raw_unicode_escape")),
        ord("X"): lambda self: self._push(self._text(4)),
        0x8C: lambda self: self._push(self._text(1)),
        0x8D: lambda self: self._push(self._text(8)),
        ord("B"): lambda self: self._push(self._sized(4)),
        ord("C"): lambda self: self._push(self._sized(1)),
        0x8E: lambda self: self._push(self._sized(8)),
        0x96: lambda self: self._push(self._sized(8)),
        # Collections
        ord(")"): lambda self: self._stack.append(()),
        ord("t"): _push_tuple_of_mark,
        0x85: _push_single,
        0x86: _push_pair,
        0x87: _push_triple,
        ord("]"): lambda self: self._stack.append([]),
        ord("l"): lambda self: self._push(self._pop_to_mark()),
        ord("a"): _append_one,
        ord("e"): lambda self: self._append(self._pop_to_mark()),
        ord("}"): lambda self: self._stack.append({}),
        ord("d"): _push_dict_of_mark,
        ord("s"): _set_one,
        ord("u"): lambda self: self._set(self._pop_to_mark()),
        0x8F: lambda self: self._push([]),  # a set, whose order does not matter
        0x90: lambda self: self._append(self._pop_to_mark()),
        0x91: lambda self: self._push(self._pop_to_mark()),
        # The memo
        ord("p"): lambda self: self._remember(self._number_of_line()),
        ord("q"): lambda self: self._remember(self._size(1)),
        ord("r"): lambda self: self._remember(self._size(4)),
        0x94: lambda self: self._remember(len(self._memo)),
        ord("g"): lambda self: self._recall(self._number_of_line()),
        ord("h"): lambda self: self._recall(self._size(1)),
        ord("j"): lambda self: self._recall(self._size(4)),
        # Classes, and what they would make
        ord("c"): _push_name_of_lines,
        0x93: _push_name_of_stack,
        ord("R"): _reduce,
        0x81: _reduce,
        0x92: _make_with_keywords,
        ord("o"): _make_from_mark,
        ord("i"): _make_from_lines,
        ord("b"): _build,
        ord("Q"): _push_persistent,
        ord("P"): lambda self: self._push(self._calls.persistent(self._line().decode("utf-8", "replace"))),
        # Objects of the reading program, and buffers beside the pickle
        0x82: _refuse,
        0x83: _refuse,
        0x84: _refuse,
        0x97: _refuse,
        0x98: _refuse,
    }
