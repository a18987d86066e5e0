"""Layers as other runtimes hold them, in memory: the layouts of `lstmdump export --layout`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lstmdump.errors import CannotExpress, LayoutWarning

if TYPE_CHECKING:
    from lstmdump.export.layouts.modules import LayerModule
    from lstmdump.export.layouts.table import TargetLayout
    from lstmdump.lstm import LSTM
    from lstmdump.model.tensor import Array

STORED = "keep"
_SUFFIX_OF_C = ".h"


def arrays_of(
    lstms: Sequence[LSTM], producer: str, word: str, *, force: bool, dtype: str = STORED, is_named: bool = True
) -> dict[str, Array]:
    """Return the arrays of `lstms` in the layout `word`.

    Args:
        lstms: The layers.
        producer: The program that wrote the model.
        word: The layout, one that takes arrays.
        force: Whether to return also what the target computes otherwise.
        dtype: The type of the arrays; `keep` for that of the stored ones.
        is_named: Whether the names begin with that of the layer.

    Raises:
        CannotExpress: The target cannot compute a layer, and `force` is false.
        DoesNotFit: A number is too large for `dtype`.
        NoForgetBias: The file does not hold the forget bias of a cell.
        UnreadableModel: The numbers cannot be read.
    """
    from lstmdump.export import chunks
    from lstmdump.export.layouts import plan

    layout = _find(word)
    modules = _plan(lstms, producer, layout, force=force, dtype=dtype)
    if not is_named:
        modules = [module._replace(name="", suffix="") for module in modules]
    outputs = plan.list_arrays(modules, layout, dtype)
    return {output.name: chunks.as_type(output.tensor.read(), output.dtype).reshape(output.shape) for output in outputs}


def text_of(lstms: Sequence[LSTM], producer: str, word: str, *, force: bool) -> str:
    """Return the text of `lstms` in the layout `word`, one that takes a text: JSON, or a header of C.

    Raises:
        CannotExpress: The target cannot compute a layer, and `force` is false, or a number is not finite.
        NoForgetBias: The file does not hold the forget bias of a cell.
        UnreadableModel: The numbers cannot be read.
    """
    layout = _find(word)
    if layout.word_text is None:
        raise ValueError(f"{word} takes arrays, not a text")
    return "".join(layout.word_text(_plan(lstms, producer, layout, force=force)))


def any_of(
    lstms: Sequence[LSTM], producer: str, word: str, *, force: bool, dtype: str = STORED, is_named: bool = True
) -> dict[str, Any] | str:
    """Return `lstms` in the layout `word`: arrays by name, parsed JSON, or the text of a header.

    Raises:
        LstmdumpError: See `arrays_of` and `text_of`.
    """
    layout = _find(word)
    if layout.word_text is None:
        return arrays_of(lstms, producer, word, force=force, dtype=dtype, is_named=is_named)
    text = text_of(lstms, producer, word, force=force)
    if layout.suffixes[0] == _SUFFIX_OF_C:
        return text
    found: dict[str, Any] = json.loads(text)
    return found


def _find(word: str) -> TargetLayout:
    from lstmdump.export.layouts import table

    layout = table.find(word)
    if layout is None:
        words = ", ".join(row.word for row in table.LAYOUTS)
        raise ValueError(f"{word!r} is not a layout; there are {words}")
    return layout


def _plan(
    lstms: Sequence[LSTM], producer: str, layout: TargetLayout, *, force: bool, dtype: str = STORED
) -> Sequence[LayerModule]:
    """Return the modules of `lstms`, and warn of what their arrays do not say."""
    from lstmdump.export.layouts import plan

    try:
        planned = plan.plan(lstms, producer, layout, force=force, dtype=dtype)
    except CannotExpress as error:
        raise CannotExpress(str(error).replace("--force-layout writes", "force=True returns")) from error
    for caution in planned.cautions:
        warnings.warn(caution, LayoutWarning, stacklevel=5)
    return planned.modules
