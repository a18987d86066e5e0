"""Attention: for each step of a query, a mean of the values, weighted by how well their keys fit it.

Keras lowers the scores of steps that do not count by 10⁹, or replaces them by such a number, before the softmax. Where
no step counts, that is all that it does: the weights follow the scores, or are equal.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import reduce

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations import softmax
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal, add_gradients
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting
from lstmdump.replay.layers.sizes import read_list, read_sizes

_LOW = 1e9
_SOFTMAX = softmax.softmax()


class Scores(ABC):
    """A function of a query (batch, steps, d) and keys (batch, other steps, d): (batch, steps, other steps)."""

    def fit(self, query_width: int, key_width: int) -> bool:
        """Return whether there are scores of queries and keys of these widths."""
        return query_width == key_width

    @abstractmethod
    def compute(self, query: Array, key: Array) -> Array:
        """Return the score of each key for each step of the query."""

    @abstractmethod
    def pull_back(self, query: Array, key: Array, gradient: Array) -> tuple[Array, Array]:
        """Return the gradients of query and key from that of the scores, (batch, r, steps, other steps)."""


class DotScores(Scores):
    """The dot products of query and key, multiplied by `scale`."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def compute(self, query: Array, key: Array) -> Array:
        """Return the scores."""
        scores: Array = query @ key.swapaxes(-1, -2) * query.dtype.type(self._scale)
        return scores

    def pull_back(self, query: Array, key: Array, gradient: Array) -> tuple[Array, Array]:
        """Return the gradients of query and key."""
        scaled = gradient * query.dtype.type(self._scale)
        return scaled @ key[:, None], scaled.swapaxes(-1, -2) @ query[:, None]


class TanhScores(Scores):
    """The sums over w·tanh(s·(query + key)).

    Args:
        weights: w, (d,) or a number.
        scale: s, a number.
    """

    def __init__(self, weights: Array, scale: Array) -> None:
        self._weights = weights
        self._scale = scale

    def fit(self, query_width: int, key_width: int) -> bool:
        """Return whether there are scores of queries and keys of these widths."""
        return query_width == key_width and self._weights.shape in ((), (query_width,))

    def compute(self, query: Array, key: Array) -> Array:
        """Return the scores."""
        scores: Array = (self._weights * self._spread(query, key)).sum(-1)
        return scores

    def pull_back(self, query: Array, key: Array, gradient: Array) -> tuple[Array, Array]:
        """Return the gradients of query and key."""
        slopes = self._weights * self._scale * (1 - self._spread(query, key) ** 2)  # (batch, steps, other steps, d)
        of_query = np.moveaxis(gradient, 1, 2) @ slopes
        of_key = gradient.transpose(0, 3, 1, 2) @ slopes.swapaxes(1, 2)
        return np.moveaxis(of_query, 2, 1), np.moveaxis(of_key, 2, 1)

    def _spread(self, query: Array, key: Array) -> Array:
        result: Array = np.tanh(self._scale * (query[:, :, None] + key[:, None]))
        return result


class Attention(RunnableLayer):
    """An Attention or AdditiveAttention layer of query, value, and perhaps key.

    The mask of the value decides which steps count, that of the query which outputs are 0.

    Args:
        name: Its name.
        scores: How well keys fit queries.
        is_causal: Whether a step of the query sees no later steps of the value.
    """

    def __init__(self, name: str, scores: Scores, *, is_causal: bool = False) -> None:
        super().__init__(name)
        self._scores = scores
        self._is_causal = is_causal

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return the weighted means of the value, (batch, steps of the query, d)."""
        query, value, _ = _take_three(self.name, inputs)
        result = self._weigh(inputs) @ value.values
        if query.mask is not None:
            result *= query.mask[..., None]
        return (Signal(result, query.mask),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradients of query, value and key."""
        query, value, key = _take_three(self.name, inputs)
        (gradient,) = gradients
        if gradient is None:
            return (None,) * len(inputs)
        if query.mask is not None:
            gradient = gradient * query.mask[:, None, :, None]
        weights = self._weigh(inputs)
        of_scores = _pull_back_softmax(weights, gradient @ value.values[:, None].swapaxes(2, 3))
        of_query, of_key = self._scores.pull_back(query.values, key.values, of_scores)
        return _give_back(inputs, of_query, weights[:, None].swapaxes(2, 3) @ gradient, of_key)

    def _weigh(self, inputs: Sequence[Signal]) -> Array:
        """Return the weight of each step of the value for each of the query, (batch, steps, other steps)."""
        query, value, key = _take_three(self.name, inputs)
        if not self._scores.fit(query.values.shape[-1], key.values.shape[-1]):
            raise BadInput(f"{self.name} cannot compare {query.values.shape} with {key.values.shape}")
        scores = self._scores.compute(query.values, key.values)
        if self._is_causal:
            is_later = np.triu(np.ones(scores.shape[1:], bool), 1)
            np.subtract(scores, _LOW, out=scores, where=is_later)
        if value.mask is not None:
            np.subtract(scores, _LOW, out=scores, where=~value.mask[:, None])
        return _SOFTMAX(scores, out=scores)


class OfMasked(Enum):
    """What a MultiHeadAttention layer does with the steps that do not count; it matters where none does.

    From Keras 3.8 on, it takes their masks from its inputs, so that the result depends on the order in which Keras runs
    the layers of a model.

    Source: Keras 3.6.0, 3.7.0, 3.8.0, 3.15.1 and tf_keras 2.21.0.
    """

    LOWER_SCORE = auto()
    REPLACE_SCORE = auto()
    TAKE_MASK_AWAY = auto()


class Projection:
    """A product with a kernel along the last axis: x·W + b, for x (…, d) and W (d, width)."""

    def __init__(self, kernel: Array, bias: Array | None) -> None:
        self._kernel = kernel
        self._bias = bias

    @property
    def width(self) -> int:
        """The length of the last axis of the input."""
        return len(self._kernel)

    def apply(self, values: Array) -> Array:
        """Return the products."""
        result: Array = values @ self._kernel
        return result if self._bias is None else result + self._bias

    def pull_back(self, gradient: Array) -> Array:
        """Return the gradient of the input."""
        result: Array = gradient @ self._kernel.T
        return result


class MultiHeadAttention(RunnableLayer):
    """A MultiHeadAttention layer of query, value, and perhaps key: dot products in several projections at once.

    The masks of all inputs decide which steps count.

    Args:
        name: Its name.
        heads: The number of projections.
        projections: Those of query, value and key, of all heads side by side.
        output: The projection of what all heads give, side by side.
        of_masked: What is done with steps that do not count.
    """

    def __init__(
        self,
        name: str,
        heads: int,
        projections: tuple[Projection, Projection, Projection],
        output: Projection,
        *,
        of_masked: OfMasked,
    ) -> None:
        super().__init__(name)
        self._heads = heads
        self._projections = projections
        self._output = output
        self._of_masked = of_masked

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return (batch, steps of the query, width)."""
        query, value, key = self._project(inputs)
        made = self._weigh(inputs, query, key) @ value
        return (Signal(self._output.apply(self._join(made)), inputs[0].mask),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradients of query, value and key."""
        (gradient,) = gradients
        if gradient is None:
            return (None,) * len(inputs)
        query, value, key = self._project(inputs)
        weights = self._weigh(inputs, query, key)
        of_made = self._split(self._output.pull_back(gradient))
        of_scores = _pull_back_softmax(weights, of_made @ value[:, None].swapaxes(-1, -2)) / math.sqrt(key.shape[-1])
        counts = self._find_counted(inputs)
        if counts is not None and self._of_masked is OfMasked.REPLACE_SCORE:
            of_scores *= counts[:, None, None]
        of_projected = (
            of_scores @ key[:, None],
            weights[:, None].swapaxes(-1, -2) @ of_made,
            of_scores.swapaxes(-1, -2) @ query[:, None],
        )
        return _give_back(
            inputs,
            *(one.pull_back(self._join(of_one)) for one, of_one in zip(self._projections, of_projected, strict=True)),
        )

    def _project(self, inputs: Sequence[Signal]) -> list[Array]:
        """Return query, value and key in the projections, each (batch, heads, steps, width)."""
        given = _take_three(self.name, inputs)
        for one, projection in zip(given, self._projections, strict=True):
            if one.values.shape[-1] != projection.width:
                raise BadInput(f"{self.name} takes inputs of width {projection.width} there, not {one.values.shape}")
        return [self._split(projection.apply(one.values))
                for one, projection in zip(given, self._projections, strict=True)]  # fmt: skip

    def _split(self, values: Array) -> Array:
        """Return (…, heads, steps, width) for values (…, steps, heads·width)."""
        split: Array = values.reshape(*values.shape[:-1], self._heads, -1).swapaxes(-2, -3)
        return split

    def _join(self, values: Array) -> Array:
        """Return (…, steps, heads·width) for values (…, heads, steps, width)."""
        joined: Array = values.swapaxes(-2, -3).reshape(*values.shape[:-3], values.shape[-2], -1)
        return joined

    def _weigh(self, inputs: Sequence[Signal], query: Array, key: Array) -> Array:
        scores: Array = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        counts = self._find_counted(inputs)
        if counts is None:
            return _SOFTMAX(scores, out=scores)
        if self._of_masked is OfMasked.TAKE_MASK_AWAY:
            raise CannotReplay(
                f"{self.name} is a MultiHeadAttention layer of masked steps; what this release of Keras computes there "
                "depends on the order in which it runs the layers"
            )
        low = scores - _LOW if self._of_masked is OfMasked.LOWER_SCORE else np.full_like(scores, -_LOW)
        return _SOFTMAX(np.where(counts[:, None], scores, low))

    def _find_counted(self, inputs: Sequence[Signal]) -> Array | None:
        """Return which steps of value and key count for each of the query, (batch, steps, other steps) or shorter."""
        query, *others = inputs
        masks = [one.mask[:, None] for one in others if one.mask is not None]
        if query.mask is not None:
            masks.append(query.mask[:, :, None])
        return reduce(np.logical_and, masks) if masks else None


def _take_three(name: str, inputs: Sequence[Signal]) -> tuple[Signal, Signal, Signal]:
    """Return query, value and key; the value is the key, too, if there is none.

    Raises:
        BadInput: They do not fit each other.
    """
    if len(inputs) not in (2, 3):
        raise CannotReplay(f"{name} has {len(inputs)} inputs, and not query, value and perhaps key")
    query, value, key = *inputs, *inputs[1:][: 3 - len(inputs)]
    if (
        any(one.values.ndim != 3 or len(one.values) != len(query.values) for one in inputs)
        or value.values.shape[1] != key.values.shape[1]
    ):
        shapes = ", ".join(str(one.values.shape) for one in inputs)
        raise BadInput(f"{name} takes sequences (batch, steps, features) as query, value and key, not {shapes}")
    return query, value, key


def _give_back(inputs: Sequence[Signal], of_query: Array, of_value: Array, of_key: Array) -> tuple[Gradient, ...]:
    """Return the gradients of `inputs` from those of query, value and key."""
    if len(inputs) == 3:
        return of_query, of_value, of_key
    return of_query, add_gradients(of_value, of_key)


def _pull_back_softmax(weights: Array, gradient: Array) -> Array:
    """Return the gradient of the scores, (batch, r, …), from that of `weights`, (batch, …)."""
    with_weights = gradient * weights[:, None]
    result: Array = with_weights - with_weights.sum(-1, keepdims=True) * weights[:, None]
    return result


def _read_attention(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    mode, has_scale = setting(layer, "score_mode", default="dot"), setting(layer, "use_scale", default=False)
    if mode not in ("dot", "concat"):
        raise CannotReplay(f"{layer.name}: its score_mode {mode!r} cannot be computed")
    expected = [ExpectedArray("scale", ())] if has_scale else []
    arrays = reader.arrays(
        layer, [*expected, ExpectedArray("concat_score_weight", ())] if mode == "concat" else expected
    )
    scale = arrays.get("scale", np.ones((), reader.dtype))
    scores = DotScores(float(scale)) if mode == "dot" else TanhScores(arrays["concat_score_weight"], scale)
    return Attention(layer.name, scores, is_causal=_is_causal(layer))


def _read_additive_attention(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    has_scale = setting(layer, "use_scale", default=True)
    arrays = reader.arrays(layer, [ExpectedArray("scale", (None,))] if has_scale else [])
    one = np.ones((), reader.dtype)
    return Attention(layer.name, TanhScores(arrays.get("scale", one), one), is_causal=_is_causal(layer))


def _is_causal(layer: NetworkLayer) -> bool:
    """Return the setting `causal`, of the releases before it became an argument of calls."""
    return bool(setting(layer, "causal", default=False))


def _read_multi_head_attention(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    _refuse_other_axes(layer)
    (heads,), (key_dim,) = read_sizes(layer, "num_heads"), read_sizes(layer, "key_dim")
    (value_dim,) = read_sizes(layer, "value_dim", default=key_dim)
    widths = {"query": key_dim, "key": key_dim, "value": value_dim}
    has_bias = setting(layer, "use_bias", default=True)
    expected = [one for name, width in widths.items() for one in _expect(name, (None, heads, width), 2)[: 1 + has_bias]]
    expected += _expect("attention_output", (heads, value_dim, None), 1)[: 1 + has_bias]
    arrays = reader.arrays(layer, expected)
    query, value, key = (_make_projection(layer, arrays, name, 1) for name in ("query", "value", "key"))
    output = _make_projection(layer, arrays, "attention_output", 2)
    of_masked = _find_use_of_masked(layer, reader.release)
    return MultiHeadAttention(layer.name, heads, (query, value, key), output, of_masked=of_masked)


def _find_use_of_masked(layer: NetworkLayer, release: KerasRelease) -> OfMasked:
    if release.keras < 3:
        is_robust = setting(layer, "softmax_robust_masking", default=False)
        return OfMasked.REPLACE_SCORE if is_robust else OfMasked.LOWER_SCORE
    if release.minor > 7:
        return OfMasked.TAKE_MASK_AWAY
    is_fused = release.minor == 7 and not setting(layer, "dropout", default=0)
    return OfMasked.REPLACE_SCORE if is_fused else OfMasked.LOWER_SCORE


def _refuse_other_axes(layer: NetworkLayer) -> None:
    """Refuse attention along other axes than that of the steps, and what only the latest releases have."""
    if read_list(setting(layer, "attention_axes")) not in (None, [1], (1,), 1):
        raise CannotReplay(f"{layer.name}: its attention_axes cannot be computed")
    for key in ("use_gate", "sliding_window"):
        if setting(layer, key):
            raise CannotReplay(f"{layer.name}: its {key} cannot be computed")


def _expect(name: str, shape: tuple[int | None, ...], axes_of_bias: int) -> list[ExpectedArray]:
    """Return the kernel and the bias of a projection, by their names in `.h5` and in `.keras` files."""
    inner = "output_dense" if name == "attention_output" else f"{name}_dense"
    return [
        ExpectedArray(f"{name}/{leaf}", of_leaf, (f"{inner}/vars/{number}",))
        for number, (leaf, of_leaf) in enumerate({"kernel": shape, "bias": shape[-axes_of_bias:]}.items())
    ]


def _make_projection(layer: NetworkLayer, arrays: Mapping[str, Array], name: str, inputs: int) -> Projection:
    """Return the projection `name`, whose kernel has `inputs` axes of the input before those of the output."""
    kernel, bias = arrays[f"{name}/kernel"], arrays.get(f"{name}/bias")
    rows = math.prod(kernel.shape[:inputs])
    if bias is not None and bias.shape != kernel.shape[inputs:]:
        raise CannotReplay(f"{layer.name}: its {name}/bias is {bias.shape}, which does not fit {kernel.shape}")
    return Projection(kernel.reshape(rows, -1), None if bias is None else bias.ravel())


BUILDERS = {
    "AdditiveAttention": _read_additive_attention,
    "Attention": _read_attention,
    "MultiHeadAttention": _read_multi_head_attention,
}
