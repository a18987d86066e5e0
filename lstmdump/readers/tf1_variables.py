"""A TensorFlow 1 model out of its variables' names: cells, other layers, and what is no weight of the model at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model import LayerPath, Weight
from lstmdump.readers import numbers, tf1_cells
from lstmdump.readers.graph_cells import GraphCell
from lstmdump.readers.tf1_cells import TF1Cell
from lstmdump.tensor import Array, Cuts, Tensor

_INTEGERS = ("int", "uint", "bool")
_POWERS = re.compile(r"(.*/)?beta[12]_power(_\d+)?")
_OPTIMIZER = re.compile(r"training(_\d+)?/(Adam|Adamax|Nadam|SGD|RMSprop|Adagrad|Adadelta|TFOptimizer)\w*/.*|"
                        r"(Adam|Adamax|Nadam|SGD|RMSprop|Adagrad|Adadelta)(_\d+)?/(iterations|iter|lr|learning_rate|"
                        r"beta_1|beta_2|decay|rho|momentum)")  # fmt: skip
_DIRECTIONS = {"fw": "0fw", "bw": "1bw", "FW": "0FW", "BW": "1BW"}
_DIGITS = re.compile(r"(\d{1,18})")


@dataclass(frozen=True)
class Variables:
    """The weights of a model with, by layer, its class and what else is known of it."""

    weights: list[Weight]
    kinds: dict[LayerPath, str]
    settings: dict[LayerPath, dict[str, Any]]
    notes: list[str]


def place(tensors: Mapping[str, Tensor], from_graph: Iterable[GraphCell], order: Sequence[str]) -> Variables:
    """The layers of the variables in TENSORS.

    FROM_GRAPH are the cells that a graph computes with them; ORDER is that of the variables' making, where it is known.
    """
    kept = {name: tensor for name, tensor in tensors.items() if _is_weight(name, tensor, tensors)}
    cells = tf1_cells.find(kept, from_graph)
    inside = tf1_cells.leaf_map(cells)
    rank = {name: turn for turn, name in enumerate(order)}
    weights: list[Weight] = []
    done: set[str] = set()
    for name in sorted(kept, key=lambda name: (rank.get(name, len(rank)), _natural(name))):
        if name not in inside:
            scope, _, leaf = name.rpartition("/")
            weights.append(Weight(_path(scope), leaf, kept[name]))
        elif name not in done:
            weights.extend(_of_cell(inside[name][0], kept))
            done.update(piece for pieces in inside[name][0].variables.values() for piece in pieces)
    return Variables(
        weights,
        {_path(cell.scope): cell.kind for cell in cells},
        {_path(cell.scope): {"forget_bias": cell.forget_bias} for cell in cells},
        tf1_cells.remarks(cells),
    )


def _path(scope: str) -> LayerPath:
    return tuple(step for step in scope.split("/") if step)


def _of_cell(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> list[Weight]:
    """The weights of CELL, the kernel first; columns of pieces are told from rows by the length of the bias."""
    wholes: dict[str, Tensor] = {}
    bias = [tensors[name] for name in cell.variables.get("bias", ())]
    columns = sum(piece.shape[0] for piece in bias if len(piece.shape) == 1)
    for leaf in sorted(cell.variables, key=lambda leaf: (leaf != "kernel", leaf != "bias", leaf)):
        pieces = [tensors[name] for name in cell.variables[leaf]]
        side_by_side = leaf == "kernel" and bool(columns) and all(piece.shape[-1:] != (columns,) for piece in pieces)
        wholes[leaf] = pieces[0] if len(pieces) == 1 else joined(pieces, 1 if side_by_side else 0)
    return [Weight(_path(cell.scope), leaf, tensor) for leaf, tensor in wholes.items()]


def joined(pieces: Sequence[Tensor], axis: int) -> Tensor:
    """One tensor out of PIECES that follow each other along AXIS.

    Raises:
        CorruptModel: their other dimensions or their types differ.
    """
    first = pieces[0]
    alike = {(*piece.shape[:axis], *piece.shape[axis + 1 :], piece.dtype, len(piece.shape)) for piece in pieces}
    if len(alike) != 1 or len(first.shape) <= axis:
        raise CorruptModel(f"{first.name} and the pieces after it do not fit together")
    places, length = [], 0
    for piece in pieces:
        places.append((tuple(length if place == axis else 0 for place in range(len(piece.shape))), piece))
        length += piece.shape[axis]

    def fetch(cuts: Cuts) -> Array:
        return numbers.assembled(places, first.dtype, cuts)

    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    return Tensor(_joint_name([piece.name for piece in pieces]), shape, first.dtype, fetch)


def _joint_name(names: Sequence[str]) -> str:
    """One name for several, as a shell abbreviates them: `W_{0,1}`."""
    start, _, _ = names[0].rpartition("_")
    if all(name.startswith(f"{start}_") for name in names):
        return f"{start}_{{{','.join(name[len(start) + 1 :] for name in names)}}}"
    return "{" + ",".join(names) + "}"


def _is_weight(name: str, tensor: Tensor, all_tensors: Mapping[str, Tensor]) -> bool:
    """Whether NAME is a weight: no counter, no text, and nothing that an optimizer keeps beside a weight."""
    if tensor.dtype == "string" or (
        not tensor.shape and (tensor.dtype.startswith(_INTEGERS) or _POWERS.fullmatch(name))
    ):
        return False
    if _OPTIMIZER.fullmatch(name):
        return False
    around = name.rpartition("/")[0]
    while around:
        owner = all_tensors.get(around)
        if owner is not None and (owner.shape == tensor.shape or not tensor.shape):
            return False
        around = around.partition("/")[2] if owner is None else ""
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts NAME as people count, and the forward half of a bidirectional layer first."""
    steps = "/".join(_DIRECTIONS.get(step, step) for step in name.split("/"))
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in _DIGITS.split(steps) if piece]
