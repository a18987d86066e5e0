"""What is written of some layers in another runtime's layout: the arrays, and what the user has to be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lstmdump.errors import CannotExpress
from lstmdump.export.chunks import ArrayOutput
from lstmdump.export.layouts.limits import list_refusals
from lstmdump.export.layouts.modules import Computed, LayerModule, group
from lstmdump.export.layouts.table import TargetLayout
from lstmdump.lstm import LSTM
from lstmdump.model.escape import key

_IS_DOUBLE = "its numbers are float64, in which ONNX Runtime does not compute an LSTM; --dtype float32 rounds them"


class Planned(NamedTuple):
    """The modules to write, and what their arrays do not say."""

    modules: tuple[LayerModule, ...]
    cautions: tuple[str, ...]


def plan(
    lstms: Sequence[LSTM],
    producer: str,
    layout: TargetLayout,
    *,
    force: bool,
    is_graph: bool = False,
    dtype: str = "keep",
) -> Planned:
    """Return the modules of `lstms` in `layout`.

    Args:
        lstms: the layers.
        producer: the program that wrote the model.
        layout: the target.
        force: whether to write also what the target computes otherwise, with a caution.
        is_graph: whether a graph is written, which states activations and directions itself.
        dtype: the type to write; `keep` for that of the stored arrays.

    Raises:
        CannotExpress: The target cannot compute a layer, and `force` is false.
    """
    modules = group(lstms, producer, joins_halves=layout.joins_halves, keeps_stacks=layout.keeps_stacks)
    cautions: list[str] = []
    for layer in (layer for module in modules for layer in module.layers):
        refusals = list(list_refusals(layer, layout.limits, layout.label))
        if is_graph and "float64" in (dtype, layer.lstm.gates["i"].W.value_dtype if dtype == "keep" else ""):
            refusals.append(_IS_DOUBLE)
        if refusals and not force:
            raise CannotExpress(f"{layer.lstm.name}: {refusals[0]}; --force-layout writes its arrays all the same")
        cautions += [f"{layer.lstm.name}: {reason}" for reason in refusals]
        cautions += [f"{layer.lstm.name}: {words}" for words in _list_cautions(layer, layout, is_graph=is_graph)]
    for module in modules:
        if not module.is_bidirectional:
            cautions += [
                f"{module.first.name}: {words}"
                for words in _word_direction(module.layers[0], layout, is_graph=is_graph)
            ]
    return Planned(tuple(modules), tuple(cautions))


def list_arrays(modules: Sequence[LayerModule], layout: TargetLayout, dtype: str) -> Iterator[ArrayOutput]:
    """Yield the arrays of `modules` under the names that `layout` has for them.

    Args:
        modules: the modules.
        layout: the target.
        dtype: the type to write; `keep` for that of the stored arrays.

    Raises:
        NoForgetBias: The file does not hold the forget bias of a cell.
    """
    for module in modules if layout.arrange is not None else ():
        for array in layout.arrange(module) if layout.arrange is not None else ():
            stored = array.tensor.value_dtype
            yield ArrayOutput(key(array.name), array.tensor, stored if dtype == "keep" else dtype, reshaped=array.shape)


def _list_cautions(layer: Computed, layout: TargetLayout, *, is_graph: bool) -> Iterator[str]:
    """Yield what the user of a layer has to know that the arrays do not say."""
    lstm, found = layer.lstm, layer.behaviour
    if lstm.forget_bias:
        yield f"the forget bias {lstm.forget_bias:g}, which the cell adds at run time, is included in the bias"
    if not layer.is_plain and layout.takes_activations and not is_graph:
        activation, gates = layer.activations
        yield f"it computes {activation}, and {gates} in its gates: state them in {layout.takes_activations}"
    for note in () if found is None else found.notes:
        if "assuming" in note:
            yield note


def _word_direction(layer: Computed, layout: TargetLayout, *, is_graph: bool) -> Iterator[str]:
    """Yield what to do for a layer that goes backwards and is a module by itself."""
    found = layer.behaviour
    if found is None or not found.go_backwards:
        return
    keeps = layout.keeps_order if layout.goes_backwards else False
    input_words = f"state {layout.goes_backwards}" if layout.goes_backwards else "reverse the steps of its input"
    output_words = "" if found.is_aligned == keeps else "; its output comes in the other order than that of the model"
    if is_graph and not output_words:
        return
    yield f"it goes backwards: {'its node does, too' if is_graph else input_words}{output_words}"
