"""How much of the output comes from each step of the input, as `lags` of a model or of a layer returns it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from lstmdump.model.sentences import listed
from lstmdump.replay.lags import LayerLags
from lstmdump.report.render import lags as render
from lstmdump.report.render.lags import ModelLags


@dataclass(frozen=True, repr=False)
class LagsResult(ModelLags):
    """The influence of each step of each input on each output: a sequence of `LayerLags`.

    If there is one of them, its numbers are attributes of this object as well: `result.shares`.

    Attributes:
        model: The path of the model.
        layers: The influence on each output, or on each LSTM layer, by each input.
        notes: Remarks, each behind the names of its layers.
    """

    def __repr__(self) -> str:
        return render.text(self, width=None, by_feature=False).rstrip("\n")

    def _repr_html_(self) -> str:
        from lstmdump.report.html import lags

        return lags.fragment(self)

    def __iter__(self) -> Iterator[LayerLags]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, place: int) -> LayerLags:
        return self.layers[place]

    def with_notes(self, change: Callable[[Iterable[str]], tuple[str, ...]]) -> LagsResult:
        """Return the same lags with notes that `change` makes of these."""
        layers = tuple([replace(layer, notes=change(layer.notes)) for layer in self.layers])
        return replace(self, layers=layers, notes=change(self.notes))

    def _only(self) -> LayerLags:
        if len(self.layers) != 1:
            names = listed([f"[{place}] {one.name}" for place, one in enumerate(self.layers)])
            raise AttributeError(f"choose one, as in result[0].shares: there are {names}")
        return self.layers[0]

    @property
    def norms(self) -> tuple[float, ...]:
        """By lag, ‖∂y/∂x_{T-k}‖_F, the mean over the sequences."""
        return self._only().norms

    @property
    def shares(self) -> tuple[float | None, ...]:
        """By lag, the norm's share of the total; None where the total is 0 or not finite."""
        return self._only().shares

    @property
    def cumulative(self) -> tuple[float | None, ...]:
        """By lag, the share of this lag and all smaller ones."""
        return self._only().cumulative

    @property
    def lag_95(self) -> int | None:
        """The smallest lag that has, with all smaller ones, 95 % of the total; None where there are no shares."""
        return self._only().lag_95

    @property
    def by_feature(self) -> tuple[tuple[float, ...], ...]:
        """By lag and feature j, ‖∂y/∂x_{T-k,j}‖, the mean over the sequences; (lags, d)."""
        return self._only().by_feature

    @property
    def no_point(self) -> str | None:
        """The reason why there are no numbers without an input; None if there are."""
        return self._only().no_point
