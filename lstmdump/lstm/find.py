"""Finding the LSTM layers of a model: the class says what must be one, the shapes decide."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from lstmdump.errors import CorruptModel, NotAnLSTM
from lstmdump.lstm.cell import LSTM
from lstmdump.lstm.gate_layouts import CUDNN, GATE_ARRAYS, TWO_KERNELS, Framework, Layout
from lstmdump.model.cell_classes import class_named
from lstmdump.model.tree import Layer, Model

_OF_KERAS: tuple[Framework, ...] = ("Keras", "TensorFlow 1")
_FRAMEWORKS: Mapping[str, tuple[Framework, ...]] = {
    "pytorch": ("PyTorch",),
    "safetensors": ("PyTorch",),
    "tflite": ("TensorFlow Lite",),
    "onnx": ("ONNX", *_OF_KERAS),  # a cell is stored as the framework that it was exported from did
}
"""The frameworks whose names the arrays of a format have: `kernel` in PyTorch is whatever its author says."""


def find_lstms(model: Model) -> tuple[LSTM, ...]:
    """Return the LSTM layers and cells of a model, in its order.

    A layer that the file calls an LSTM must have an LSTM's shapes; one of unknown class is an LSTM if it has them.

    Raises:
        NotAnLSTM: A layer that the file calls an LSTM has other shapes.
        CorruptModel: Two layers have one name, by which both are reported and exported.
    """
    named: dict[str, LSTM] = {}
    frameworks = _FRAMEWORKS.get(model.format, _OF_KERAS)
    layouts = list_layouts(frameworks)
    for layer in model.root.walk():
        if layer.weights and (lstm := _read_if_lstm(layer, model.producer, layouts)) is not None:
            if lstm.name in named:
                raise CorruptModel(f"two LSTM layers are called {lstm.name}: one by itself, one as a part of another")
            named[lstm.name] = lstm
    return tuple(named.values())


def _read_if_lstm(layer: Layer, producer: str, layouts: Sequence[Layout]) -> LSTM | None:
    kind = class_named(layer.kind)
    if kind.is_other:
        return None
    try:
        layout = _find_layout(layer, layouts)
        if layout is None and not kind.must_fit:
            return None
        return _read(layer, layout, producer)
    except NotAnLSTM:
        if kind.must_fit:
            raise
        return None


def read_lstm(layer: Layer, producer: str = "", frameworks: Container[Framework] = _OF_KERAS) -> LSTM:
    """Return the LSTM that a layer of a model written by `producer` is.

    Args:
        layer: The layer.
        producer: What wrote the model.
        frameworks: Those whose names its arrays have.

    Raises:
        NotAnLSTM: Its arrays are those of no layout, or have other shapes than it asks for.
    """
    return _read(layer, _find_layout(layer, list_layouts(frameworks)), producer)


def list_layouts(frameworks: Container[Framework]) -> list[Layout]:
    """Return the layouts of `frameworks`, of which the first that fits a layer counts.

    The modules of other frameworks are not imported: each is half a percent of the instructions of `show`.
    """
    layouts: list[Layout] = []
    if "Keras" in frameworks or "TensorFlow 1" in frameworks:
        from lstmdump.lstm.tf1_cells import BLOCK_LSTM_V2, OWN_GATE_ARRAYS, OWN_TWO_KERNELS, TF1_CELL

        layouts += OWN_GATE_ARRAYS, OWN_TWO_KERNELS, GATE_ARRAYS, CUDNN, TWO_KERNELS, TF1_CELL, BLOCK_LSTM_V2
    if "PyTorch" in frameworks:
        from lstmdump.lstm.pytorch_layout import PYTORCH_CELL, PYTORCH_LAYER

        layouts += PYTORCH_LAYER, PYTORCH_CELL
    if "ONNX" in frameworks:
        from lstmdump.lstm.onnx_layouts import ONNX_CELL, ONNX_NODE

        layouts += ONNX_NODE, ONNX_CELL
    if "TensorFlow Lite" in frameworks:
        from lstmdump.lstm.tflite_layout import TFLITE_FUSED_KERNEL, TFLITE_GATE_ARRAYS, TFLITE_TWO_KERNELS

        layouts += TFLITE_GATE_ARRAYS, TFLITE_TWO_KERNELS, TFLITE_FUSED_KERNEL
    return [layout for layout in layouts if layout.framework in frameworks]


def _find_layout(layer: Layer, layouts: Iterable[Layout]) -> Layout | None:
    """Return the first of `layouts` that fits a layer, or None."""
    for layout in layouts:
        if layout.fits(layer):
            return layout
    return None


def _read(layer: Layer, layout: Layout | None, producer: str) -> LSTM:
    if layout is None:
        held = ", ".join(layer.weights)
        raise NotAnLSTM(f"{layer.name} is called an LSTM, but has no kernel and recurrent kernel; it has {held}")
    return layout.of(layer).read(layer, producer)
