"""`NamedTuple` behaves as that of `typing`, which is the expected value of each test."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lstmdump
from lstmdump.model.named_tuple import NamedTuple


class Ours(NamedTuple):
    """Two numbers and a word."""

    first: int
    second: int = 2
    third: str = "x"

    @property
    def total(self) -> int:
        return self.first + self.second

    def doubled(self) -> Ours:
        return self._replace(first=2 * self.first)


class Theirs(typing.NamedTuple):
    """Two numbers and a word."""

    first: int
    second: int = 2
    third: str = "x"

    @property
    def total(self) -> int:
        return self.first + self.second

    def doubled(self) -> Theirs:
        return self._replace(first=2 * self.first)


@pytest.mark.parametrize(
    "get",
    [
        lambda kind: kind(1),
        lambda kind: kind(1, 3, third="y"),
        lambda kind: kind(second=5, first=4),
        lambda kind: kind._make([1, 2, "z"]),
        lambda kind: kind(1) == (1, 2, "x"),
        lambda kind: hash(kind(1)),
        lambda kind: (*kind(1), kind(1)[1], kind(1).third, len(kind(1))),
        lambda kind: kind(1).total,
        lambda kind: kind(3).doubled(),
        lambda kind: kind(1)._replace(second=7),
        lambda kind: list(kind(1)._asdict().items()),
        lambda kind: (kind._fields, kind._field_defaults, kind.__match_args__, kind.__doc__),
        lambda kind: list(kind.__annotations__),
        lambda kind: (isinstance(kind(1), tuple), hasattr(kind(1), "__dict__")),
        lambda kind: copy.copy(kind(1)) == kind(1),
        lambda kind: [pickle.loads(pickle.dumps(kind(1, 3), protocol)) for protocol in range(2, 6)],  # noqa: S301
        lambda kind: type(pickle.loads(pickle.dumps(kind(1)))) is kind,  # noqa: S301
    ],
)
def test_values_are_those_of_typing(get: Callable[[Any], object]) -> None:
    assert repr(get(Ours)) == repr(get(Theirs)).replace("Theirs", "Ours")


@pytest.mark.parametrize(
    "get",
    [
        lambda kind: kind(),
        lambda kind: kind(1, 2, 3, 4),
        lambda kind: kind(1, fourth=4),
        lambda kind: kind(1, first=1),
        lambda kind: kind(1)._replace(fourth=4),
        lambda kind: kind._make([]),
        lambda kind: setattr(kind(1), "first", 2),
        lambda kind: setattr(kind(1), "fourth", 2),
    ],
)
def test_what_typing_refuses_is_refused(get: Callable[[Any], object]) -> None:
    refused = []
    for kind in (Theirs, Ours):
        with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
            get(kind)
        refused.append(caught.type)
    assert refused[0] == refused[1] or refused == [TypeError, ValueError]  # `_replace`, since Python 3.13


def test_the_error_for_a_missing_value_names_the_class() -> None:
    with pytest.raises(TypeError, match=r"^Ours\.__new__\(\) missing 1 required positional argument: 'first'$"):
        Ours()  # type: ignore[call-arg]


def test_a_match_takes_the_values_by_place() -> None:
    match Ours(1, 2, "z"):
        case Ours(first, _, word):
            assert (first, word) == (1, "z")


def test_annotations_that_are_not_text_need_the_future_import() -> None:
    """Python 3.14 keeps such annotations elsewhere: the class would have no fields."""
    code = "from lstmdump.model.named_tuple import NamedTuple\nclass A(NamedTuple):\n    'None.'\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        done.stderr.splitlines()[-1] == "TypeError: A has no fields; its module needs the future import of annotations"
    )


def test_every_module_that_makes_such_classes_has_the_future_import() -> None:
    modules = [path.read_text("utf-8") for path in Path(lstmdump.__file__).parent.rglob("*.py")]
    making = [text for text in modules if "from lstmdump.model.named_tuple import NamedTuple" in text]
    assert making
    assert all("\nfrom __future__ import annotations\n" in text for text in making)
