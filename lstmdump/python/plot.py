"""Figures of layers, states and lags, for notebooks, scripts and papers. Needs matplotlib: `pip install matplotlib`.

::

    import lstmdump

    with lstmdump.open("weather.h5") as model:
        figure = lstmdump.plot.gates(model.lstms[0])
    figure.savefig("gates.pdf")

Each function returns a `matplotlib.figure.Figure`, which a notebook shows as the value of a cell, with or without
`%matplotlib inline`. It is not one of pyplot's: nothing opens a window, and nothing has to be closed. It is drawn in
one style, whatever the settings of matplotlib are, and names out of files are text, never formulas.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from lstmdump.export import pictures
from lstmdump.lstm import GATES, LSTM
from lstmdump.model.sentences import listed
from lstmdump.python.arguments import is_text, whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lstmdump.model.tensor import Array
    from lstmdump.replay.lags import LayerLags

__all__ = ["gates", "lags", "states"]


class DrawableStates(Protocol):
    """The states of a layer: `lstmdump.replay.States`, or what else has such arrays: (length, m) or (batch, length, m).

    It may also have a `name`, the name of the layer, and a `mask`, (length,) or (batch, length): True where there is a
    step. Both may be None.
    """

    @property
    def h(self) -> Array: ...
    @property
    def c(self) -> Array: ...
    @property
    def i(self) -> Array: ...
    @property
    def f(self) -> Array: ...
    @property
    def o(self) -> Array: ...
    @property
    def candidate(self) -> Array: ...


def gates(lstm: LSTM, *, gates: str = GATES, kind: str = "heat") -> Figure:
    """Return a figure of the numbers of `lstm`, a layer of an open model, as `lstmdump show --plot` draws them.

    Args:
        lstm: The layer.
        gates: The letters of the gates to draw, out of i, f, c and o.
        kind: `heat` for heat maps of W, U and b of each gate, `hist` for their histograms, or `spectrum` for the
            eigenvalues of U of each gate in the complex plane.

    Raises:
        MissingDependency: matplotlib is not installed.
        ModelClosed: The model has been closed.
        UnreadableModel: The numbers cannot be read.
        TypeError: `lstm` is something else.
        ValueError: There is no such gate or kind.
    """
    if not isinstance(lstm, LSTM):
        raise TypeError(f"lstm is of type {type(lstm).__name__}; give an LSTM layer, such as model[NAME]")
    if not is_text(gates) or not gates or set(gates) - set(GATES):
        raise ValueError(f"{gates!r} are not gates; give letters out of i, f, c and o")
    with pictures.drawing():
        from lstmdump.report.plot import kinds, pages

        if not is_text(kind) or kind not in kinds.KINDS:
            raise ValueError(f"{kind!r} is not a kind of picture; give one of {', '.join(map(repr, kinds.KINDS))}")
        chosen = "".join(letter for letter in GATES if letter in gates)
        return pages.page(kinds.read(kind, lstm, "", chosen))


def states(states: DrawableStates, *, sequence: int = 0) -> Figure:
    """Return heat maps of h, c, the candidate and the gates over time, as `lstmdump trace --plot` draws them.

    Masked steps are hatched: those where the mask is false, or, without a mask, those without gates, which are NaN.

    Args:
        states: The states of a layer, such as `lstmdump.replay.run` returns.
        sequence: The index of the sequence of the batch that is drawn.

    Raises:
        MissingDependency: matplotlib is not installed.
        BadInput: The arrays do not belong together, or there is no such sequence.
        NothingToDraw: There are no steps.
        TypeError: `states` lacks an array.
        ValueError: `sequence` is not a whole number.
    """
    from lstmdump.python.states import MEMBERS, ModelStates

    number = whole_number("sequence", sequence)
    if not isinstance(states, ModelStates) and (missing := [name for name in MEMBERS if not hasattr(states, name)]):
        raise TypeError(f"states is of type {type(states).__name__}, which has no {listed(missing)}; "
                        "give what trace returns of a layer")  # fmt: skip
    with pictures.drawing():
        from lstmdump.report.plot import sequences, trace

        name, mask = getattr(states, "name", None), getattr(states, "mask", None)
        return trace.page(sequences.take_one(name or "", states, mask, number))


def lags(result: LayerLags | Iterable[LayerLags], *, by_feature: bool = False) -> Figure:
    """Return bars of the influence of each lag, as `lstmdump lags --plot` draws them.

    Args:
        result: The lags of one layer or output, or of several, which are drawn one below the other.
        by_feature: Whether to draw the share of each input feature, too.

    Raises:
        MissingDependency: matplotlib is not installed.
        NothingToDraw: There are no lags.
        TypeError: `result` is something else.
    """
    with pictures.drawing():
        from lstmdump.replay.lags import LayerLags
        from lstmdump.report.plot import lags as bars

        several: Any = (result,) if isinstance(result, LayerLags) else result
        layers = tuple(several) if isinstance(several, Iterable) else (several,)
        if others := [type(one).__name__ for one in layers if not isinstance(one, LayerLags)]:
            raise TypeError(f"result holds what is of type {others[0]}; give what lags returns")
        return bars.panels(layers, by_feature=by_feature)
