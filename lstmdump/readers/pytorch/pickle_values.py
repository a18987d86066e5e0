"""What a pickle stands for, as values that do nothing: no class is imported, and no function called.

Numbers, texts, tuples, lists and dictionaries are those of Python. A name of a module's is a `PickledName`, and what
would be made by a call is a `PickledObject`, except for the few calls that `storages` knows, which make plain values.
"""

from __future__ import annotations

from typing import Any


class PickledName:
    """The name of a class or a function: `LSTM`; and `full`, with its module: `torch.nn.modules.rnn.LSTM`."""

    __slots__ = ("full", "name")

    def __init__(self, module: str, name: str) -> None:
        self.name = name
        self.full = f"{module}.{name}"


class PickledObject:
    """An object that a class or a function would make.

    Attributes:
        made_by: The class or function: usually a `PickledName`, but a file may state anything.
        args: What it would be called with.
        state: What the object would be given then: usually its attributes.
        items: What would be added to it as to a list; None if nothing is.
        entries: What would be set in it as in a dictionary; None if nothing is.
    """

    __slots__ = ("args", "entries", "items", "made_by", "state")  # a small file can make a million of them

    def __init__(self, made_by: Any, args: Any) -> None:
        self.made_by = made_by
        self.args = args
        self.state: Any = None
        self.items: list[Any] | None = None
        self.entries: dict[Any, Any] | None = None

    def add_items(self, items: list[Any]) -> None:
        """Add `items`, as to a list."""
        if self.items is None:
            self.items = []
        self.items += items

    def own_entries(self) -> dict[Any, Any]:
        """Return the entries, to be added to."""
        if self.entries is None:
            self.entries = {}
        return self.entries

    @property
    def kind(self) -> str:
        """The name of the class or function, with its module; empty if it is not a name."""
        return self.made_by.full if isinstance(self.made_by, PickledName) else ""

    @property
    def attributes(self) -> dict[Any, Any]:
        """The attributes that its state gives; of the pair that is the state of a class with slots, the first ones.

        This is the dictionary itself, because many objects can have the same state.
        """
        pair = self.state if isinstance(self.state, tuple) else (self.state,)
        return next((state for state in pair[:2] if isinstance(state, dict)), {})


class UnhashableKey:
    """A key of a dictionary that is not a plain one; each is equal to itself only.

    A tuple of tuples that each name the next one twice takes hours to hash.
    """

    __slots__ = ()


_LARGEST_KEY = 1 << 63
"""Python hashes a whole number by its remainder of 2**61 - 1: larger ones can all have one hash, by the thousands."""


def as_key(value: Any) -> Any:
    """Return `value` if it is a plain key of a dictionary, else one that stands for it."""
    if isinstance(value, int) and not -_LARGEST_KEY <= value < _LARGEST_KEY:
        return hex(value)
    return value if value is None or isinstance(value, (str, int, float, bytes)) else UnhashableKey()
