"""The names of layers: what is left of the names of TensorFlow's scopes, or the order of the layers.

======================================================  =====================
in the file                                             the layer
======================================================  =====================
`model/enc/while/lstm_cell/MatMul`                      `enc`
`model/lstm/Read_2/ReadVariableOp`                      `lstm`
`model/stack/while/stacked_rnn_cells/one/MatMul`        `stack/one`
`functional_1/bidi_1/forward_lstm_1/while/lstm_cell_1`  `bidi/forward_lstm`
`rnn/basic_lstm_cell/kernel/transpose`, in TensorFlow 1 `rnn/basic_lstm_cell`
`arith.constant5`, `while/MatMul`                       `lstm`, `lstm_1`, …
======================================================  =====================

Keras 3 enters each scope twice, and TensorFlow then adds `_1` to the name of each: it is dropped where the model and
each layer have it, and the model or an operation in the cell has a name that only Keras 3 gives. The name of the model
is dropped as well. Measured on files of tf_keras 2.21, Keras 3.15 and TensorFlow 1.15.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lstmdump.model.cell_classes import CELL_CLASSES
from lstmdump.model.tree import LayerPath

NO_NAMES = "the file keeps no names of layers; they are numbered in order"
_LOOP = re.compile(r"while(?:_\d{1,9})?")
_CELL = re.compile(r"(?:lstm|gru|simple_rnn)_cell(?:_\d{1,9})?")
_IN_LOOP = ("TensorArrayV2Read", "TensorArrayV2Write", "BiasAdd", "BiasAdd_1", "Cast", "Cast_1")
_STACK = re.compile(r"stacked_rnn_cells(?:_\d{1,9})?")
_READ = re.compile(r"Read(?:_\d{1,9})?")
_OF_KERAS_3 = re.compile(r"functional(?:_\d{1,9})*$")
_ONLY_IN_KERAS_3 = ("BiasAdd_1/ReadVariableOp", "Cast/ReadVariableOp", "Cast_1/ReadVariableOp", "Squeeze")
_TWICE = "_1"
_OUTER = ("StatefulPartitionedCall", "PartitionedCall")
_SCOPES_OF_TF1 = frozenset(scope for kind in CELL_CLASSES.values() for scope in kind.scopes)


def find_path(names: Iterable[str], *, is_of_tensorflow_1: bool = False) -> LayerPath | None:
    """Return the path of the layer that `names`, of its arrays and results, were made for; None if they hold none.

    Args:
        names: The names.
        is_of_tensorflow_1: Whether the layer is a cell of TensorFlow 1, whose own name belongs to the path.
    """
    found = [part for name in names for part in name.split(";") if "/" in part]
    is_keras_3 = any(part.endswith(_ONLY_IN_KERAS_3) for part in found)
    for part in found:
        steps = [step for step in part.split("/") if step and step not in _OUTER]
        path = _read_cell(steps) if is_of_tensorflow_1 else _read_layer(steps, is_keras_3=is_keras_3)
        if path:
            return path
    return None


def class_in(path: LayerPath) -> str | None:
    """Return the class of a cell of TensorFlow 1 whose scope ends `path`, or None."""
    scope = _simplify(path[-1])
    return next((kind.name for kind in CELL_CLASSES.values() if scope in kind.scopes and not kind.is_other), None)


def number(kinds: Sequence[str]) -> list[LayerPath]:
    """Return paths for layers without names, by what they are: `lstm`, then `lstm_1`."""
    counts: dict[str, int] = {}
    paths: list[LayerPath] = []
    for kind in kinds:
        count = counts.get(kind, 0)
        counts[kind] = count + 1
        paths.append((f"{kind}_{count}" if count else kind,))
    return paths


def distinct(paths: Sequence[LayerPath]) -> list[LayerPath]:
    """Return `paths`, with numbers added to the last step of those that are there already."""
    known: set[LayerPath] = set()
    found = []
    for path in paths:
        one, count = path, 0
        while one in known:
            count += 1
            one = (*path[:-1], f"{path[-1]}_{count}")
        known.add(one)
        found.append(one)
    return found


def _read_cell(steps: Sequence[str]) -> LayerPath:
    """Return the path in the name of a tensor of TensorFlow 1, up to the scope of the cell."""
    for place, step in enumerate(steps[:-1]):
        if _simplify(step) in _SCOPES_OF_TF1:
            return tuple(steps[: place + 1])
    return ()


def _read_layer(steps: Sequence[str], *, is_keras_3: bool) -> LayerPath:
    """Return the path in the name of a tensor, up to the scope of a loop, a cell or a variable."""
    for place, step in enumerate(steps):
        if place and any(scope.fullmatch(step) for scope in (_LOOP, _CELL, _READ, _STACK)):
            has_cells = place > 1 and (_LOOP.fullmatch(step) or _STACK.fullmatch(step))
            own_name = _find_own_name(steps[place + 1 :]) if has_cells else []
            return _drop_model([*steps[:place], *own_name], is_keras_3=is_keras_3)
    return ()


def _find_own_name(steps: Sequence[str]) -> Sequence[str]:
    """Return the name of a cell in a loop or a stack, if its user gave it one; the last of `steps` is an operation."""
    steps = [step for step in steps if not _STACK.fullmatch(step)]
    return steps[:1] if len(steps) > 1 and _CELL.fullmatch(steps[0]) is None and steps[0] not in _IN_LOOP else []


def _drop_model(steps: Sequence[str], *, is_keras_3: bool) -> LayerPath:
    """Return the names of layers in `steps`, without the model's, and without what Keras 3 adds."""
    by_keras_3 = is_keras_3 or _OF_KERAS_3.match(steps[0]) is not None
    if by_keras_3 and all(step.endswith(_TWICE) for step in steps):
        steps = [step.removesuffix(_TWICE) for step in steps]
    return tuple(steps[1:] if len(steps) > 1 else steps)


def _simplify(scope: str) -> str:
    """Return a scope as it is in the table of classes: in lower case, without underscores and without a number."""
    return re.sub(r"_\d{1,9}$", "", scope).replace("_", "").lower()
