"""Finding the LSTM layers of a model: the kind insists, the shapes decide."""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.errors import CorruptModel, NotAnLSTM
from lstmdump.lstm import gate_layouts, tf1_cells
from lstmdump.lstm.cell import LSTM, LSTMWeight
from lstmdump.lstm.roles import Role
from lstmdump.model.kinds import KERAS_ORDER, kind_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, Model

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_TWELVE = tuple(f"{array}_{gate}" for gate in gate_layouts.KERAS_1_ORDER for array in "WUb")
_THREE = (("kernel", "recurrent_kernel", "bias"), ("W", "U", "b"))  # Keras 2 and 3; Keras 1 with consume_less='gpu'
_PEEPHOLES = {f"{word}_gate_peephole_weights": letter for word, letter in zip(("input", "forget", "output"), "ifo",
              strict=True)}  # fmt: skip # PeepholeLSTMCell of tf.keras.experimental, TensorFlow 1.14 and later
_TWELVE_ROLES = {"W": Role.GATE_KERNEL, "U": Role.GATE_RECURRENT_KERNEL, "b": Role.GATE_BIAS}


def find_lstms(model: Model) -> tuple[LSTM, ...]:
    """The LSTM layers and cells of MODEL, in its order.

    A layer that the file calls an LSTM must have an LSTM's shapes; one of unknown class is an LSTM if it has them.

    Raises:
        NotAnLSTM: a layer that the file calls an LSTM has other shapes.
        CorruptModel: two layers have one name, which all that is said of them goes by.
    """
    named: dict[str, LSTM] = {}
    for layer in model.root.walk():
        if layer.weights and not kind_named(layer.kind).is_other and (lstm := _as_lstm(layer)) is not None:
            if lstm.name in named:
                raise CorruptModel(f"two LSTM layers are called {lstm.name}: one by itself, one as a part of another")
            named[lstm.name] = lstm
    return tuple(named.values())


def _as_lstm(layer: Layer) -> LSTM | None:
    try:
        found = _read_layout(layer)
    except NotAnLSTM:
        if kind_named(layer.kind).must_fit:
            raise
        return None
    found.kind_stated = layer.kind is not None
    found.settings = layer.settings
    return found


def _read_layout(layer: Layer) -> LSTM:
    if "W_i" in layer.weights:
        return _twelve_arrays(layer)
    for kernel, recurrent, bias in _THREE:
        if kernel in layer.weights and recurrent in layer.weights:
            return _three_arrays(layer, layer.weights[kernel], layer.weights[recurrent], layer.weights.get(bias))
    if "kernel" in layer.weights and kind_named(layer.kind).fused_order:
        lstm, used = tf1_cells.read(layer)
        _insist_on_floats(layer, used)
        lstm.notes += _extras(layer, used)
        return lstm
    held = ", ".join(layer.weights)
    raise NotAnLSTM(f"{layer.name} is called an LSTM, but has no kernel and recurrent kernel; it has {held}")


def _twelve_arrays(layer: Layer) -> LSTM:
    arrays = {name: layer.weights[name] for name in _TWELVE if name in layer.weights}
    if len(arrays) != len(_TWELVE):
        lost = ", ".join(name for name in _TWELVE if name not in arrays)
        raise NotAnLSTM(f"{layer.name} has the arrays of an LSTM of Keras 1, but not {lost}")
    d, m = _two_dimensions(layer, arrays["W_i"])
    weights = tuple(LSTMWeight(_TWELVE_ROLES[name[0]], name, tensor) for name, tensor in arrays.items())
    _insist_on_floats(layer, arrays)
    return LSTM(layer.name, layer.kind or "LSTM", d, m, weights, gate_layouts.KERAS_1_ORDER,
                gate_layouts.twelve_arrays(layer.name, arrays), notes=_extras(layer, arrays))  # fmt: skip


def _three_arrays(layer: Layer, kernel: Tensor, recurrent: Tensor, bias: Tensor | None) -> LSTM:
    d, _ = _two_dimensions(layer, kernel)
    m, _ = _two_dimensions(layer, recurrent)
    arrays = {"kernel": kernel, "recurrent_kernel": recurrent} | ({} if bias is None else {"bias": bias})
    peepholes = {leaf: layer.weights[leaf] for leaf in _PEEPHOLES if leaf in layer.weights}
    doubled = _has_doubled_bias(layer, bias, m)
    roles = (Role.KERNEL, Role.RECURRENT_KERNEL, Role.DOUBLED_BIAS if doubled else Role.BIAS)
    weights = [LSTMWeight(role, leaf, tensor) for role, (leaf, tensor) in zip(roles, arrays.items(), strict=False)]
    weights += [LSTMWeight(Role.PEEPHOLE, leaf, tensor) for leaf, tensor in peepholes.items()]
    used = arrays | peepholes
    _insist_on_floats(layer, used)
    cut, name = gate_layouts.cudnn if doubled else gate_layouts.side_by_side, layer.name
    gates = cut(name, kernel, recurrent, bias)
    return LSTM(
        name,
        layer.kind or ("CuDNNLSTM" if doubled else "LSTM"),
        d,
        m,
        tuple(weights),
        KERAS_ORDER,
        gate_layouts.with_peepholes(name, gates, {_PEEPHOLES[leaf]: tensor for leaf, tensor in peepholes.items()}),
        notes=(*([_CUDNN_NOTE] if doubled else []), *_extras(layer, used)),
    )


_CUDNN_NOTE = ("stored in CuDNN's layout: each gate's block is transposed, and the bias is stored twice, to be added "
               "up; gates are given in the form of an LSTM")  # fmt: skip


def _has_doubled_bias(layer: Layer, bias: Tensor | None, units: int) -> bool:
    """A bias of 8·m is the one mark of CuDNN's layout; a class that is known must agree with it."""
    doubled = bias is not None and bias.shape == (8 * units,)
    kind = kind_named(layer.kind)
    return kind.is_cudnn or (doubled and not kind.must_fit)


def _two_dimensions(layer: Layer, tensor: Tensor) -> tuple[int, int]:
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise NotAnLSTM(f"{layer.name}: {tensor.name} is {tensor.shape}, which is no matrix")
    return tensor.shape[0], tensor.shape[1]


def _insist_on_floats(layer: Layer, arrays: Mapping[str, Tensor]) -> None:
    for name, tensor in arrays.items():
        if tensor.dtype not in _FLOATS:
            raise NotAnLSTM(f"{layer.name}: {name} holds {tensor.dtype}, not floating-point numbers")


def _extras(layer: Layer, used: Mapping[str, Tensor]) -> tuple[str, ...]:
    if len(used) == len(layer.weights):
        return ()
    names = {tensor.name for tensor in used.values()}
    extra = [leaf for leaf, tensor in layer.weights.items() if tensor.name not in names]
    if not extra:
        return ()
    return (f"also holds {', '.join(extra)}: a class of its own, which may compute more than an LSTM",)
