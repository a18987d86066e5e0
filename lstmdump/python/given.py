"""What the user gives to a run: inputs, a mask and first states, as arrays or as the paths of files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lstmdump.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lstmdump.model.tensor import Array
    from lstmdump.replay.equations import State
    from lstmdump.replay.matching import GivenArray
    from lstmdump.replay.network import Network
    from lstmdump.replay.networks.plan import NetworkPlan

Path: TypeAlias = "str | os.PathLike[str]"
Input: TypeAlias = "ArrayLike | Path | Mapping[str, ArrayLike | Path]"
"""The input of a model: an array, the path of an `.npy` file, or one of these for each input by name."""
FirstStates: TypeAlias = "tuple[ArrayLike, ArrayLike] | Path | Mapping[str, tuple[ArrayLike, ArrayLike]]"
"""States before the first step: h and c, the path of an `.npz` file, or h and c for each layer by name."""


class RunInputs(NamedTuple):
    """What a run is given.

    Attributes:
        arrays: The inputs.
        names: The name of the input of the model that each array is for; None where the user does not say.
        sources: What messages call each array: its path, its name or `x`.
        mask: The mask, or its path; None if there is none.
        initial: The first states as `FirstStates`; None for those of the model.
    """

    arrays: tuple[Array, ...]
    names: tuple[str | None, ...]
    sources: tuple[str, ...]
    mask: Any = None
    initial: Any = None

    def describe(self) -> tuple[GivenArray, ...]:
        """Return what is known of the arrays before the model is read."""
        from lstmdump.replay import inputs
        from lstmdump.replay.matching import GivenArray

        pairs = zip(self.names, self.arrays, strict=True)
        return tuple(GivenArray(name, array.shape, inputs.are_ids(array)) for name, array in pairs)

    def sequences(self, dtype: str) -> Array:
        """Return the only array as the input of LSTM layers, (batch, length, d).

        Raises:
            BadInput: It has another number of axes.
        """
        from lstmdump.replay import inputs

        return inputs.as_sequences(self.arrays[0], self.sources[0], dtype)

    def read_mask(self, shape: tuple[int, int]) -> Array | None:
        """Return the mask for inputs of `shape`, (batch, length); None if there is none.

        Raises:
            BadInput: The mask has another shape, or holds anything but 0 and 1, or no 1.
        """
        from lstmdump.replay import inputs

        if self.mask is None:
            return None
        if is_path(self.mask):
            return inputs.mask(os.fspath(self.mask), shape)
        return inputs.mask_from_memory(self.mask, "mask", shape)

    def read_states(self, net: Network | NetworkPlan, batch: int) -> dict[str, State]:
        """Return the states before the first step of `batch` sequences, by the name of the layer of `net`.

        Raises:
            BadInput: A layer is not in `net`, or a state has another shape.
        """
        from lstmdump.replay import trace

        if self.initial is None:
            return {}
        if is_path(self.initial):
            return trace.first_states(net, os.fspath(self.initial), batch)
        return _take_states(net, self.initial, batch)


def gather(x: Input | None, *, mask: Any = None, initial: FirstStates | None = None, dtype: str) -> RunInputs:
    """Return what a run in `dtype` is given; `x` is None for a run without inputs.

    Raises:
        BadInput: An array is empty, or not made of numbers that are finite as `dtype`.
    """
    named: Mapping[Any, Any] = {}
    if isinstance(x, Mapping):
        named = dict(x.items())
    elif x is not None:
        named = {None: x}
    if x is not None and not named:
        raise BadInput("x: it names no input")
    if (other := next((name for name in named if not isinstance(name, (str, type(None)))), None)) is not None:
        raise BadInput(f"x: it names an input {other!r}; the names of inputs are texts")
    sources = tuple(os.fspath(one) if is_path(one) else name or "x" for name, one in named.items())
    arrays = tuple(_read(one, source, dtype) for one, source in zip(named.values(), sources, strict=True))
    return RunInputs(arrays, tuple(named), sources, mask, initial)


def gather_some(x: Input, *, mask: Any = None, initial: FirstStates | None = None, dtype: str) -> RunInputs:
    """Return what a run in `dtype` that needs an input is given.

    Raises:
        BadInput: See `gather`, or `x` is None.
    """
    if x is None:
        raise BadInput("x: it is None; give an array, or the path of an .npy file")
    return gather(x, mask=mask, initial=initial, dtype=dtype)


def is_path(value: object) -> bool:
    """Return whether `value` is the path of a file, not an array."""
    return isinstance(value, (str, os.PathLike))


def _read(value: Any, source: str, dtype: str) -> Array:
    from lstmdump.replay import inputs

    return inputs.values(source, dtype) if is_path(value) else inputs.from_memory(value, source, dtype)


def _take_states(net: Network | NetworkPlan, initial: Any, batch: int) -> dict[str, State]:
    from lstmdump.model.sentences import listed
    from lstmdump.replay import inputs
    from lstmdump.replay.equations import State

    cells = {cell.name: cell for cell in net.cells}
    if not isinstance(initial, Mapping):
        if len(cells) != 1:
            raise BadInput(f"initial: give h and c by the name of the layer: {listed(list(cells))}")
        initial = {next(iter(cells)): initial}
    if not initial:
        raise BadInput(f"initial: it names no layer; there is {listed(list(cells))}")
    found = {}
    for name, pair in initial.items():
        if name not in cells:
            raise BadInput(f"initial: no layer that is run is called {name}; there is {listed(list(cells))}")
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise BadInput(f"initial: the states of {name} are a pair, (h, c)")
        shapes = (batch, cells[name].width), (batch, cells[name].units)
        h, c = (
            inputs.state_from_memory(value, f"initial: {letter} of {name}", shape, net.options.dtype)
            for letter, value, shape in zip("hc", pair, shapes, strict=True)
        )
        found[name] = State(h, c)
    return found
