"""Match the arrays that the user gives to the inputs of a model, by their names, or else by their order and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lstmdump.errors import BadInput
from lstmdump.model.network import NetworkInput
from lstmdump.model.sentences import conjoined, listed

_AUTOMATIC = re.compile(r"keras_tensor(?:_(\d{1,9}))?")
"""The names that Keras 3 gives to tensors without a name of their own. They change with every session."""


class GivenArray(NamedTuple):
    """What is known of an array that the user gives, before the model is read.

    Attributes:
        name: The input that the user says it is; None if they do not.
        shape: Its shape.
        is_whole: Whether all its numbers are whole and not negative, as ids are.
    """

    name: str | None
    shape: tuple[int, ...]
    is_whole: bool = False


class MatchedInput(NamedTuple):
    """An input of the model with the array that it is given.

    Attributes:
        input: The input.
        array: The index of the array among those given.
        is_single: Whether the array is one sequence, without the axis of the batch.
        note: A remark on the shape, or None.
    """

    input: NetworkInput
    array: int
    is_single: bool
    note: str | None = None


def match(given: Sequence[GivenArray], inputs: Sequence[NetworkInput]) -> list[MatchedInput] | None:
    """Return which of `given` is which of `inputs`; None if the arrays, without names, do not fit.

    Raises:
        BadInput: An array has the name of no input, or another shape than the input of its name.
    """
    if any(array.name is not None for array in given):
        return list(_match_by_name(given, inputs))
    if len(given) != len(inputs):
        return None
    pairs = [_fit(array, number, one) for number, (array, one) in enumerate(zip(given, inputs, strict=True))]
    found = [pair for pair in pairs if pair is not None]
    return found if len(found) == len(pairs) else None


def require_one(given: Sequence[GivenArray]) -> GivenArray:
    """Return the only array of `given`, the input of layers of a file that does not describe its inputs.

    Raises:
        BadInput: There are several, or it is given for an input by name.
    """
    if len(given) == 1 and given[0].name is None:
        return given[0]
    names = conjoined([array.name or "one without a name" for array in given])
    raise BadInput(f"the file does not describe the inputs of the model, so that only -i FILE can be given: {names}")


def describe_inputs(inputs: Sequence[NetworkInput]) -> str:
    """Return `inputs` in words, with their shapes: `input_1 (batch, 7) of whole numbers and input_2 (batch, 6, 3)`."""
    return conjoined([_describe(one) for one in inputs]) if inputs else "no input"


def _match_by_name(given: Sequence[GivenArray], inputs: Sequence[NetworkInput]) -> Iterator[MatchedInput]:
    by_name = {one.name: one for one in inputs} | _match_automatic_names(given, inputs)
    for number, array in enumerate(given):
        if array.name is None:
            raise BadInput(f"name each of several inputs: -i NAME=FILE; the model takes {describe_inputs(inputs)}")
        if array.name not in by_name:
            raise BadInput(f"the model has no input {array.name}; it takes {describe_inputs(inputs)}")
        found = _fit(array, number, by_name[array.name])
        if found is None:
            raise BadInput(f"{array.name} is {array.shape}, but the model takes {_describe(by_name[array.name])}")
        if array.name != found.input.name:
            found = found._replace(note=f"{array.name} is a name that Keras makes anew in each session: the inputs so "
                                        f"named are taken in their order, this one as {found.input.name}")  # fmt: skip
        yield found


def _match_automatic_names(given: Sequence[GivenArray], inputs: Sequence[NetworkInput]) -> dict[str, NetworkInput]:
    """Return inputs by the automatic names of Keras, `keras_tensor_37`, in the order of their numbers.

    Keras numbers the tensors of a session in the order in which they are made, so that as many such names as the model
    has inputs can only be these.
    """
    found = [(match, array.name) for array in given if array.name and (match := _AUTOMATIC.fullmatch(array.name))]
    if len(found) != len(inputs) or len(given) != len(inputs):
        return {}
    names = [name for _, name in sorted(found, key=lambda pair: int(pair[0][1] or 0))]
    return dict(zip(names, inputs, strict=True))


def _fit(array: GivenArray, number: int, one: NetworkInput) -> MatchedInput | None:
    """Return `array` as the input `one`, or None if its shape or its numbers do not fit."""
    if one.is_integer and not array.is_whole:
        return None
    if one.shape is None:
        return MatchedInput(one, number, is_single=False)
    for is_single in (False, True):
        shape = array.shape if is_single else array.shape[1:]
        if len(shape) == len(one.shape) and (not is_single or shape):
            wrong = [axis for axis, (found, stated) in enumerate(zip(shape, one.shape, strict=True))
                     if stated not in (None, found)]  # fmt: skip
            if not wrong:
                return MatchedInput(one, number, is_single)
            if wrong == [0] and (len(shape) > 1 or one.is_integer):
                note = f"the model was built for {one.shape[0]:,} steps, and {one.name} has {shape[0]:,}"
                return MatchedInput(one, number, is_single, note)
    return None


def _describe(one: NetworkInput) -> str:
    lengths = "…" if one.shape is None else ", ".join("any" if n is None else str(n) for n in one.shape)
    shape = f"(batch, {lengths})" if lengths else "(batch,)"
    return f"{one.name} {shape}" + (" of whole numbers" if one.is_integer else "")


def list_names(inputs: Sequence[NetworkInput]) -> str:
    """Return the names of `inputs` in a sentence."""
    return listed([one.name for one in inputs])
