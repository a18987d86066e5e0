"""The operations that can be computed, by their names in Keras 3 and in TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.settings import finite_number
from lstmdump.replay.activations import elementwise as activations
from lstmdump.replay.layers.activation import SoftmaxLayer
from lstmdump.replay.layers.normalization import UnitNormalization
from lstmdump.replay.layers.operations import along_axes, products, shaping
from lstmdump.replay.layers.operations import elementwise as arithmetic
from lstmdump.replay.layers.operations.along_axes import Reduction, to_axes
from lstmdump.replay.layers.operations.elementwise import Cast, Comparison, Filled, OfActivation
from lstmdump.replay.layers.operations.function import Function, OfLayer


class Form(NamedTuple):
    """How an operation is called.

    Attributes:
        make: Returns the function, given the name of the operation and the values of its settings.
        operands: The names of the parameters that are arrays, numbers or lists of them, in order.
        settings: The names of the other parameters, in the order that `make` takes them.
        defaults: What missing settings stand for; null for others.
        is_variadic: Whether there may be any number of operands, which have no names.
    """

    make: Callable[..., Function]
    operands: tuple[str, ...]
    settings: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = {}
    is_variadic: bool = False


def _fixed(function: Function, *operands: str) -> Form:
    return Form(lambda _: function, operands)


def _reduce(kind: str, operand: str) -> Form:
    return Form(lambda name, *settings: Reduction(name, kind, *settings), (operand,), ("axis", "keepdims"))


def _softmax(name: str, axis: Any) -> Function:
    return OfLayer(SoftmaxLayer(name, to_axes(name, axis), adds_mask=False))


def _normalize(name: str, axis: Any, epsilon: Any) -> Function:
    return OfLayer(UnitNormalization(name, to_axes(name, axis), max(_to_number(name, epsilon), 0.0) ** 0.5))


def _leaky_relu(name: str, slope: Any) -> Function:
    return OfActivation(activations.relu(negative_slope=_to_number(name, slope)))


def _elu(name: str, alpha: Any) -> Function:
    return OfActivation(activations.elu(_to_number(name, alpha)))


def _silu(name: str, beta: Any) -> Function:
    if _to_number(name, beta) != 1:
        raise CannotReplay(f"{name}: silu with a beta of {beta} cannot be computed")
    return _ACTIVATIONS["silu"]


def _to_number(name: str, value: Any) -> float:
    number = finite_number(value)
    if number is None:
        raise CannotReplay(f"{name}: its setting {str(value)[:80]} is not a number")
    return number


def _split_by_sizes(name: str, sizes: Any, axis: Any) -> Function:
    """Return a separation into a number of parts, or into parts of these sizes, as TensorFlow states them."""
    parts = sizes if type(sizes) is int else np.cumsum(shaping.check_sizes(name, sizes))[:-1].tolist()
    return shaping.Separation(name, parts, axis)


_ACTIVATIONS: Mapping[str, Function] = {
    "elu": OfActivation(activations.elu()),
    "gelu": OfActivation(activations.gelu()),
    "log_sigmoid": OfActivation(activations.log_sigmoid()),
    "mish": OfActivation(activations.mish()),
    "relu": OfActivation(activations.relu()),
    "relu6": OfActivation(activations.relu(most=6)),
    "selu": OfActivation(activations.selu()),
    "sigmoid": OfActivation(activations.sigmoid()),
    "silu": OfActivation(activations.silu()),
    "softplus": OfActivation(activations.softplus()),
    "softsign": OfActivation(activations.softsign()),
    "tanh": OfActivation(activations.tanh()),
}
_OF_ONE: Mapping[str, Function] = {
    **_ACTIVATIONS,
    **arithmetic.STEPS,
    "abs": arithmetic.ABSOLUTE,
    "cos": arithmetic.COS,
    "exp": arithmetic.EXP,
    "expm1": arithmetic.EXPM1,
    "log": arithmetic.LOG,
    "log1p": arithmetic.LOG1P,
    "logical_not": Comparison(np.logical_not),
    "negative": arithmetic.NEGATIVE,
    "reciprocal": arithmetic.RECIPROCAL,
    "rsqrt": arithmetic.RSQRT,
    "sin": arithmetic.SIN,
    "sqrt": arithmetic.SQRT,
    "square": arithmetic.SQUARE,
    "stop_gradient": arithmetic.STOP_GRADIENT,
}
_OF_TWO: Mapping[str, Function] = {
    "add": arithmetic.ADD,
    "equal": Comparison(np.equal),
    "greater": Comparison(np.greater),
    "greater_equal": Comparison(np.greater_equal),
    "less": Comparison(np.less),
    "less_equal": Comparison(np.less_equal),
    "logical_and": Comparison(np.logical_and),
    "logical_or": Comparison(np.logical_or),
    "logical_xor": Comparison(np.logical_xor),
    "maximum": arithmetic.MAXIMUM,
    "minimum": arithmetic.MINIMUM,
    "multiply": arithmetic.MULTIPLY,
    "not_equal": Comparison(np.not_equal),
    "subtract": arithmetic.SUBTRACT,
}
_DIVISIONS: Mapping[str, Function] = {
    "div_no_nan": arithmetic.DIVIDE_NO_NAN,
    "divide": arithmetic.DIVIDE,
    "divide_no_nan": arithmetic.DIVIDE_NO_NAN,
    "truediv": arithmetic.DIVIDE,
    "floor_div": arithmetic.FLOOR_DIVIDE,
    "floordiv": arithmetic.FLOOR_DIVIDE,
    "floormod": arithmetic.MODULO,
    "mod": arithmetic.MODULO,
    "pow": arithmetic.POWER,
    "squared_difference": arithmetic.SQUARED_DIFFERENCE,
}
_REDUCTIONS = ("all", "any", "max", "mean", "min", "std", "sum", "var")


def _camel_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


KERAS: Mapping[str, Form] = {
    **{_camel_case(name): _fixed(function, "x") for name, function in _OF_ONE.items() if name != "gelu"},
    **{_camel_case(name): _fixed(function, "x1", "x2") for name, function in _OF_TWO.items()},
    **{_camel_case(kind): _reduce(kind, "x") for kind in _REDUCTIONS},
    "Absolute": _fixed(arithmetic.ABSOLUTE, "x"),
    "Amax": _reduce("max", "x"),
    "Amin": _reduce("min", "x"),
    "Argmax": Form(along_axes.ArgMax, ("x",), ("axis",)),
    "BroadcastTo": _fixed(shaping.BroadcastOperation(), "x", "shape"),
    "Cast": Form(Cast, ("x",), ("dtype",)),
    "Clip": _fixed(arithmetic.CLIP, "x", "x_min", "x_max"),
    "Concatenate": Form(lambda name, axis: shaping.Joining(name, axis, stacks=False), ("xs",), ("axis",), {"axis": 0}),
    "ConvertToTensor": Form(
        lambda name, dtype: arithmetic.IDENTITY if dtype is None else Cast(name, dtype), ("x",), ("dtype",)
    ),
    "Cumsum": Form(along_axes.CumulativeSum, ("x",), ("axis",)),
    "Divide": _fixed(arithmetic.DIVIDE, "x1", "x2"),
    "DivideNoNan": _fixed(arithmetic.DIVIDE_NO_NAN, "x1", "x2"),
    "Elu": Form(_elu, ("x",), ("alpha",), {"alpha": 1.0}),
    "Einsum": Form(products.EinsteinSum, (), ("subscripts",), is_variadic=True),
    "ExpandDims": Form(lambda name, axis: shaping.SameNumbers(name, axis, adds=True), ("x",), ("axis",)),
    "Flip": Form(shaping.Reversal, ("x",), ("axis",)),
    "FloorDivide": _fixed(arithmetic.FLOOR_DIVIDE, "x1", "x2"),
    "FullLike": Form(Filled, ("x",), ("fill_value", "dtype")),
    "GetItem": Form(shaping.Slicing, ("x",), ("key",)),
    "LeakyRelu": Form(_leaky_relu, ("x",), ("negative_slope",), {"negative_slope": 0.2}),
    "Matmul": Form(products.MatrixProduct, ("x1", "x2")),
    "Mod": _fixed(arithmetic.MODULO, "x1", "x2"),
    "OnesLike": Form(lambda name, dtype: Filled(name, 1, dtype), ("x",), ("dtype",)),
    "Pad": Form(shaping.ConstantPadding, ("x",), ("pad_width", "mode", "constant_values")),
    "Power": _fixed(arithmetic.POWER, "x1", "x2"),
    "Repeat": Form(shaping.Repetition, ("x",), ("repeats", "axis")),
    "Reshape": _fixed(shaping.ReshapeOperation(), "x", "newshape"),
    "Softmax": Form(_softmax, ("x",), ("axis",), {"axis": -1}),
    "Split": Form(shaping.Separation, ("x",), ("indices_or_sections", "axis"), {"axis": 0}),
    "Squeeze": Form(lambda name, axis: shaping.SameNumbers(name, axis, adds=False), ("x",), ("axis",)),
    "Stack": Form(lambda name, axis: shaping.Joining(name, axis, stacks=True), ("x",), ("axis",), {"axis": 0}),
    "Swapaxes": Form(shaping.SwapAxes, ("x",), ("axis1", "axis2")),
    "Take": Form(shaping.TakeOperation, ("x",), ("indices", "axis")),
    "Tile": Form(shaping.Tiling, ("x",), ("repeats",)),
    "Transpose": Form(shaping.TransposeOperation, ("x",), ("axes",)),
    "TrueDivide": _fixed(arithmetic.DIVIDE, "x1", "x2"),
    "Where": _fixed(arithmetic.WHERE, "condition", "x1", "x2"),
    "ZerosLike": Form(lambda name, dtype: Filled(name, 0, dtype), ("x",), ("dtype",)),
}
"""The operations of Keras 3, by their classes."""

_FEATURES = frozenset({"bias_add", "elu", "leaky_relu", "relu", "relu6", "selu", "softplus", "softsign"})
"""Functions of TensorFlow whose operand is called `features`."""

TENSORFLOW: Mapping[str, Form] = {
    **{name: _fixed(function, "features" if name in _FEATURES else "x") for name, function in _OF_ONE.items()},
    **{name: _fixed(function, "x", "y") for name, function in (*_OF_TWO.items(), *_DIVISIONS.items())},
    **{f"reduce_{kind}": _reduce(kind, "input_tensor") for kind in _REDUCTIONS},
    "add_n": _fixed(arithmetic.SumOfList(), "inputs"),
    "argmax": Form(along_axes.ArgMax, ("input",), ("axis",), {"axis": 0}),
    "bias_add": _fixed(arithmetic.ADD, "value", "bias"),
    "broadcast_to": _fixed(shaping.BroadcastOperation(), "input", "shape"),
    "cast": Form(Cast, ("x",), ("dtype",)),
    "clip_by_value": _fixed(arithmetic.CLIP, "t", "clip_value_min", "clip_value_max"),
    "concat": Form(lambda name, axis: shaping.Joining(name, axis, stacks=False), ("values",), ("axis",)),
    "cumsum": Form(along_axes.CumulativeSum, ("x",), ("axis",), {"axis": 0}),
    "ensure_shape": Form(lambda _name, _shape: arithmetic.IDENTITY, ("x",), ("shape",)),
    "expand_dims": Form(lambda name, axis: shaping.SameNumbers(name, axis, adds=True), ("input",), ("axis",)),
    "gather": Form(shaping.TakeOperation, ("params",), ("indices", "axis"), {"axis": 0}),
    "gelu": _fixed(_ACTIVATIONS["gelu"], "features"),
    "getitem": Form(shaping.Slicing, ("tensor",), ("slice_spec",)),
    "identity": _fixed(arithmetic.IDENTITY, "input"),
    "l2_normalize": Form(_normalize, ("x",), ("axis", "epsilon"), {"epsilon": 1e-12}),
    "leaky_relu": Form(_leaky_relu, ("features",), ("alpha",), {"alpha": 0.2}),
    "matmul": Form(products.MatrixProduct, ("a", "b"), ("transpose_a", "transpose_b")),
    "neg": _fixed(arithmetic.NEGATIVE, "x"),
    "ones_like": Form(lambda name, dtype: Filled(name, 1, dtype), ("input",), ("dtype",)),
    "pad": Form(shaping.ConstantPadding, ("tensor",), ("paddings", "mode", "constant_values")),
    "reduce_variance": _reduce("var", "input_tensor"),
    "repeat": Form(shaping.Repetition, ("input",), ("repeats", "axis")),
    "reshape": _fixed(shaping.ReshapeOperation(), "tensor", "shape"),
    "reverse": Form(shaping.Reversal, ("tensor",), ("axis",)),
    "shape": _fixed(shaping.ShapeOperation(), "input"),
    "silu": Form(_silu, ("features",), ("beta",), {"beta": 1.0}),
    "softmax": Form(_softmax, ("logits",), ("axis",), {"axis": -1}),
    "split": Form(_split_by_sizes, ("value",), ("num_or_size_splits", "axis"), {"axis": 0}),
    "squeeze": Form(lambda name, axis: shaping.SameNumbers(name, axis, adds=False), ("input",), ("axis",)),
    "stack": Form(lambda name, axis: shaping.Joining(name, axis, stacks=True), ("values",), ("axis",), {"axis": 0}),
    "stop_gradient": _fixed(arithmetic.STOP_GRADIENT, "input"),
    "tile": Form(shaping.Tiling, ("input",), ("multiples",)),
    "transpose": Form(shaping.TransposeOperation, ("a",), ("perm",)),
    "unstack": Form(shaping.Unstacking, ("value",), ("axis",)),
    "where": _fixed(arithmetic.WHERE, "condition", "x", "y"),
    "zeros_like": Form(lambda name, dtype: Filled(name, 0, dtype), ("input",), ("dtype",)),
}
"""The functions of TensorFlow, by their names without those of their modules."""

TENSORFLOW_MODULES = frozenset(
    {"", "__operators__", "compat.v1", "compat.v1.math", "compat.v1.nn", "linalg", "math", "nn"}
)
"""The modules that these functions stand in; elsewhere, a name may mean another function."""
