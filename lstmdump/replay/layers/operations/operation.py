"""An operation in a network: its arguments as the file states them, bound to the parameters of a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal, add_gradients
from lstmdump.replay.layers.operations.function import Function
from lstmdump.replay.layers.operations.table import KERAS, TENSORFLOW, TENSORFLOW_MODULES, Form
from lstmdump.replay.layers.reading import LayerReader

_OF_TENSORFLOW = ("TFOpLambda", "SlicingOpLambda")
_NOT_ARGUMENTS = frozenset({"arguments", "is_operation", "keywords", "name", "trainable"})
_WITHOUT_EFFECT = frozenset({"name", "num", "out_type"})
_SLICE = frozenset({"start", "stop", "step"})


class InputNumber(NamedTuple):
    """An operand that is an input of the call, by its number."""

    number: int


class Operation(RunnableLayer):
    """An operation on the inputs of a call and on constants. It passes no mask on.

    Args:
        name: Its name.
        function: What is computed.
        operands: The operands: constants, and an `InputNumber` for each input, also in lists.
        dtype: The dtype of results that are not whole numbers.
    """

    def __init__(self, name: str, function: Function, operands: Sequence[Any], dtype: str) -> None:
        super().__init__(name)
        self.takes_any_numbers = function.takes_any_numbers
        self._function = function
        self._operands = tuple(operands)
        self._dtype = dtype

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return the results.

        Raises:
            BadInput: The inputs have shapes that do not fit.
            CannotReplay: The samples of a batch would be mixed.
        """
        operands = self._fill([given.values for given in inputs])
        try:
            made = self._function.compute(*operands)
        except (IndexError, TypeError, ValueError) as error:
            raise BadInput(f"{self.name} cannot be computed: {str(error).splitlines()[0]}") from error
        results = [self._convert(one) for one in (made if isinstance(made, list) else [made])]
        if self._function.mixes_samples(operands, [isinstance(one, InputNumber) for one in self._operands], results[0]):
            raise CannotReplay(f"{self.name} acts across the samples of a batch")
        return tuple(Signal(one) for one in results)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradients of the inputs; that of one that stands in several places is their sum."""
        found: list[Gradient] = [None] * len(inputs)
        count = next((one.shape[1] for one in gradients if one is not None), None)
        if count is None or not all(one.values.dtype.kind == "f" for one in outputs):
            return tuple(found)
        results = [one.values for one in outputs]
        moved = [_make_zeros(count, result) if one is None else np.moveaxis(one, 1, 0)
                 for one, result in zip(gradients, results, strict=True)]  # fmt: skip
        is_list = len(results) > 1
        operands = self._fill([given.values for given in inputs])
        pulled = self._function.pull_back(operands, results if is_list else results[0], moved if is_list else moved[0])
        for number, gradient in _pair(self._operands, pulled):
            if gradient is not None and inputs[number].values.dtype.kind == "f":
                found[number] = add_gradients(found[number], np.moveaxis(gradient, 0, 1))
        return tuple(found)

    def _fill(self, values: Sequence[Array]) -> list[Any]:
        return [_replace_numbers(operand, values) for operand in self._operands]

    def _convert(self, result: Any) -> Array:
        array = np.asarray(result)
        return array.astype(self._dtype, copy=False) if array.dtype.kind == "f" else array


def read_operation(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    """Return the operation that `layer` describes.

    Raises:
        CannotReplay: It cannot be computed; the message names it.
    """
    form, config = _find_form(layer)
    bound = _bind(layer, form, config)
    operands = bound.pop("operands") if form.is_variadic else [bound.pop(key, _MISSING) for key in form.operands]
    if any(one is _MISSING for one in operands):
        raise CannotReplay(f"{layer.name}: the file does not state all operands of {_title(layer)}")
    settings = [form.defaults.get(key) if (value := bound.pop(key, None)) is None else value for key in form.settings]
    others = {key: value for key, value in bound.items() if key not in _WITHOUT_EFFECT and _has_effect(value)}
    if others or any(True for _ in _walk(settings)):
        with_what = ", ".join(others) or "such settings"
        raise CannotReplay(f"{layer.name}: {_title(layer)} with {with_what} cannot be computed")
    function = form.make(layer.name, *settings)
    return Operation(layer.name, function, [_to_operand(one, reader.dtype) for one in operands], reader.dtype)


_MISSING = object()


def _title(layer: NetworkLayer) -> str:
    return str(layer.config.get("function")) if layer.kind in _OF_TENSORFLOW else layer.kind


def _find_form(layer: NetworkLayer) -> tuple[Form, Mapping[str, Any]]:
    """Return how the operation is called, and the settings beside the arguments of the call."""
    if layer.kind in _OF_TENSORFLOW:
        module, _, name = _title(layer).rpartition(".")
        form, config = TENSORFLOW.get(name) if module in TENSORFLOW_MODULES else None, {}
    else:
        form, config = KERAS.get(layer.kind), {k: v for k, v in layer.config.items() if k not in _NOT_ARGUMENTS}
    if form is None:
        raise CannotReplay(f"{layer.name} is the operation {_title(layer)}, which cannot be computed")
    return form, config


def _bind(layer: NetworkLayer, form: Form, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by the names of their parameters, decoded; variadic ones under `operands`."""
    arguments = [_decode(layer, one) for one in layer.config.get("arguments", [])]
    keywords = {**config, **layer.config.get("keywords", {})}
    bound = {key: _decode(layer, value) for key, value in keywords.items()}
    if form.is_variadic:
        return {**bound, "operands": arguments}
    names = [key for key in (*form.operands, *form.settings) if key not in config]
    if len(arguments) > len(names):
        raise CannotReplay(f"{layer.name}: {_title(layer)} with {len(arguments)} arguments cannot be computed")
    return {**bound, **dict(zip(names, arguments, strict=False))}


def _has_effect(value: Any) -> bool:
    """Return whether a setting that is not known may change what is computed: null, false and 0 are defaults."""
    return not (value is None or value is False or (type(value) in (int, float) and value == 0))


def _decode(layer: NetworkLayer, value: Any) -> Any:
    """Return an argument as Python has it, with an `InputNumber` for each tensor."""
    if isinstance(value, (list, tuple)):
        return [_decode(layer, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("tensor"), int):
        return InputNumber(value["tensor"])
    kind, config = value.get("class_name"), value.get("config", value)
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__tuple__" and isinstance(value.get("items"), list):
        return [_decode(layer, one) for one in value["items"]]
    if kind in ("__numpy__", "__tensor__") and isinstance(config, Mapping) and "value" in config:
        return config["value"]
    if (kind == "__slice__" or set(value) == _SLICE) and isinstance(config, Mapping):
        bounds = [config.get(key) for key in ("start", "stop", "step")]
        if all(one is None or type(one) is int for one in bounds):
            return slice(*bounds)
    raise CannotReplay(f"{layer.name}: its argument {str(value)[:80]} cannot be computed")


def _to_operand(value: Any, dtype: str) -> Any:
    """Return an operand that can be computed with: a list of constants as an array, other lists with their items."""
    if not isinstance(value, list) or any(True for _ in _walk(value)):
        return [_to_operand(one, dtype) for one in value] if isinstance(value, list) else value
    array = np.array(value)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _walk(value: Any) -> Iterator[InputNumber]:
    if isinstance(value, InputNumber):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one)


def _replace_numbers(operand: Any, values: Sequence[Array]) -> Any:
    if isinstance(operand, InputNumber):
        return values[operand.number]
    return [_replace_numbers(one, values) for one in operand] if isinstance(operand, list) else operand


def _pair(operands: Iterable[Any], gradients: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the number of each input among `operands` with its gradient."""
    for operand, gradient in zip(operands, gradients, strict=True):
        if isinstance(operand, InputNumber):
            yield operand.number, gradient
        elif isinstance(operand, list) and isinstance(gradient, list):
            yield from _pair(operand, gradient)


def _make_zeros(count: int, result: Array) -> Array:
    return np.zeros((count, *result.shape), result.dtype)
