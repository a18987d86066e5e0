"""The names of weights in Keras HDF5 files, by release.

==============================  =============================================================================
Keras 1.x                       `lstm_1_W_i`, … (twelve), or `lstm_1_W`, `_U`, `_b` with consume_less='gpu'; a name
                                that a TensorFlow session has used before ends in `_1`: `lstm_W_i_1:0`
Keras 2, TensorFlow 1.13 - 2.1  `lstm_1/kernel:0`; a second cell in the same scope is `rnn_1/kernel_1:0`
TensorFlow 2.2 and later        `lstm/lstm_cell/kernel:0`; the number of the cell counts all cells of the session
Keras 3.0                       `kernel`
Keras 3.3 and later             `sequential/lstm/lstm_cell/kernel`
==============================  =============================================================================

The TensorFlow backend adds `:0`; Theano and CNTK do not.

Cells and stacks of cells that the user did not name have automatic names: `lstm_cell_3`, `stacked_rnn_cells`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tree import LayerPath

# Patterns are compiled when they are first needed: each takes as long as the import of a module.
_OUTPUT_NUMBER = r":\d+$"
_KERAS_1_LEAF = r"(?s)(?P<scope>.+)_(?P<leaf>[WUb](?:_[ifco])?)(?:_(?P<number>\d{1,9}))?"
_NUMBERED_LEAF = r"(?P<leaf>kernel|recurrent_kernel|bias)_(?P<number>\d{1,9})"
_AUTOMATIC_CELL = r"(peephole_)?lstm_cell(_\d+)?"
_AUTOMATIC_STACK = r"stacked_rnn_cells(_\d+)?"
_MAX_STEPS = 32  # the deepest genuine scope known has 6


class WeightName(NamedTuple):
    """The parts of the name of a weight.

    Attributes:
        scope: the part before the leaf, as in the file: `sequential/lstm/lstm_cell`.
        leaf: the name of the array within its layer: `kernel`, `W_i`, `gamma`, …
        number: the index, from 0, of the layer among those of the same scope.
    """

    scope: str
    leaf: str
    number: int


def split_weight_name(name: str, keras_major: int) -> WeightName:
    """Split `name`, an entry of `weight_names`, by the rules of that major version of Keras."""
    scope, _, leaf = name.rpartition("/")
    leaf = re.sub(_OUTPUT_NUMBER, "", leaf)
    if keras_major < 2 and (old := re.fullmatch(_KERAS_1_LEAF, f"{scope}/{leaf}" if scope else leaf)):
        return WeightName(old["scope"], old["leaf"], int(old["number"] or 0))
    if numbered := re.fullmatch(_NUMBERED_LEAF, leaf):
        return WeightName(scope, numbered["leaf"], int(numbered["number"]))
    return WeightName(scope, leaf, 0)


def names_in(scope: str) -> Iterator[str]:
    """Yield every name that `scope` may contain: one step or several, as a name may contain slashes."""
    steps = scope.split("/")[:_MAX_STEPS]
    for start in range(len(steps)):
        for stop in range(start + 1, len(steps) + 1):
            yield "/".join(steps[start:stop])


def names_below(scope: str, group: str, *, alone: bool) -> tuple[str, ...]:
    """Return the names in `scope` below a top-level layer, without its own name and any model before it.

    Args:
        scope: the scope of some weights.
        group: the name of the top-level layer that they belong to.
        alone: whether the group has no other scope, so that a scope `lstm_1` in the group `lstm` is the layer itself,
            renamed by a session that has used the name before.
    """
    around = f"/{scope}/"
    place = around.find(f"/{group}/")
    if place >= 0:
        scope = around[place + len(group) + 2 : -1]
    names = tuple(step for step in scope.split("/") if step)
    if alone and names and re.fullmatch(re.escape(group) + r"_\d+", names[0]):
        return names[1:]
    return names


def is_automatic_cell(name: str) -> bool:
    """Return whether `name` is one that Keras itself gives to the cell of an LSTM layer."""
    return re.fullmatch(_AUTOMATIC_CELL, name) is not None


def drop_cell_name(path: LayerPath) -> LayerPath:
    """Return `path` without the automatic name of a cell at its end; empty if the path consists of this name."""
    return path[:-1] if path and is_automatic_cell(path[-1]) else path


def drop_stack_names(path: LayerPath) -> LayerPath:
    """Return `path` without the automatic names of stacks, as in `RNN([cell, cell])`; the last name is kept."""
    return (*[name for name in path[:-1] if re.fullmatch(_AUTOMATIC_STACK, name) is None], *path[-1:])


def drop_automatic_names(
    paths: Sequence[LayerPath], may_be_cells: Sequence[bool], *, stacks: bool = True, may_merge: bool = False
) -> list[LayerPath]:
    """Drop the automatic names of stacks of cells, and of cells that are the only one of their layer.

    `rnn/stacked_rnn_cells/a` becomes `rnn/a`, and `lstm/lstm_cell_3` becomes `lstm`: such a name depends on the release
    and on the history of the session, not on the model. It is kept if it distinguishes the cell from others.

    Args:
        paths: the paths of all layers and cells that have arrays.
        may_be_cells: for each path, whether it may lead to a cell: a user can name a whole layer `lstm_cell`.
        stacks: whether the names of stacks are dropped, before the cells of a layer are counted.
        may_merge: whether a cell may get the path of the layer around it even if that layer has arrays of its own.
    """
    unstacked = [drop_stack_names(path) for path in paths] if stacks else paths
    beside = Counter(path[:-1] for path in unstacked)
    taken = frozenset(() if may_merge else unstacked)

    def is_only_cell(path: LayerPath) -> bool:
        return len(path) > 1 and beside[path[:-1]] == 1 and path[:-1] not in taken

    return [
        drop_cell_name(path) if may_be_cell and is_only_cell(path) else path
        for path, may_be_cell in zip(unstacked, may_be_cells, strict=True)
    ]


def tell_apart(
    paths: Sequence[LayerPath],
    arrays: Sequence[Collection[str]],
    rename: Callable[[LayerPath, Sequence[int]], Iterable[LayerPath]],
    *,
    keep_first: bool = False,
) -> list[LayerPath]:
    """Return `paths`, changed for layers of the same path whose arrays would get the same names.

    Args:
        paths: the path of each layer.
        arrays: the names of the arrays of each layer. Layers of one path without a common name keep the path.
        rename: returns a new path for each layer, given their path and the indices of the layers to rename.
        keep_first: whether to rename only layers that clash with an earlier one, and not all of the path.
    """
    alike: dict[LayerPath, list[int]] = {}
    for index, path in enumerate(paths):
        alike.setdefault(path, []).append(index)
    apart = list(paths)
    for path, indices in alike.items():
        clashing = _find_clashing(indices, arrays) if len(indices) > 1 else []
        if clashing:
            renamed = clashing if keep_first else indices
            for index, other in zip(renamed, rename(path, renamed), strict=True):
                apart[index] = other
    return apart


def _find_clashing(indices: Sequence[int], arrays: Sequence[Collection[str]]) -> list[int]:
    """Return those of `indices` that have an array of the same name as one before them."""
    taken: set[str] = set()
    clashing = []
    for index in indices:
        if not taken.isdisjoint(arrays[index]):
            clashing.append(index)
        taken.update(arrays[index])
    return clashing
