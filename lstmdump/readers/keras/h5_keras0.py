"""Weight files of Keras 0.x: `layer_k/param_n`, without names, classes or version.

An LSTM has twelve arrays in the order W_i U_i b_i W_c U_c b_c W_f U_f b_f W_o U_o b_o (Keras 0.2.0 to 0.3.3,
`layers/recurrent.py`). A `Graph` model, or a container within a Sequential, is stored as one list of arrays that does
not show where layers begin. HDF5 lists `param_10` before `param_2`, so arrays are read by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from lstmdump.errors import CorruptModel
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Weight
from lstmdump.readers.hdf5.file import Group

_ORDER = "icfo"
_GRAPH = "graph"
_LSTM_TRIPLES = 4  # (W, U, b) once per gate
_GRU_TRIPLES = 3
_MAX_PARAMETERS = 100_000


def is_keras_0(root: Group) -> bool:
    """Return whether `root` is the root of a file with this layout."""
    graph = root.group(_GRAPH)
    return root.attribute("nb_layers") is not None or (graph is not None and graph.attribute("nb_params") is not None)


def read_weights(root: Group) -> tuple[list[Weight], list[str]]:
    """Return all arrays in the order of the file, those of LSTM layers named by their gates, and notes.

    Raises:
        CorruptModel: A layer or an array is missing.
    """
    weights: list[Weight] = []
    notes: list[str] = []
    for group in _iterate_groups(root):
        tensors = [_read_array(group, number) for number in range(_read_count(group, "nb_params"))]
        runs = list(_split_runs(tensors))
        unsure = [run for run in runs if len(run) > 3 and not _is_lstms(run, tensors) and len(run) != 3 * _GRU_TRIPLES]
        notes.extend(f"{run[0].name} and the {len(run) - 1} arrays after it may be LSTM or GRU layers: the file "
                     "does not show where a layer ends, so they belong to no layer" for run in unsure)  # fmt: skip
        notes.extend(_note_doubts(group.path, runs, tensors))
        weights.extend(chain.from_iterable(_name_weights(group.path, run, tensors) for run in runs))
    return weights, notes


def _note_doubts(group: str, runs: list[list[Tensor]], tensors: list[Tensor]) -> Iterator[str]:
    """Yield a note for each run that is read as one LSTM, but may be several layers as wide as their inputs."""
    for run in runs:
        whole_layer = len(run) == len(tensors) and group != _GRAPH
        if len(run) == 3 * _LSTM_TRIPLES and run[0].shape == run[1].shape and not whole_layer:
            layer = "/".join(_name_layer(group, run, tensors, 0))
            yield (f"{layer}: twelve arrays of one size, read as an LSTM; four SimpleRNN layers, or a GRU and a "
                   "SimpleRNN, would look the same")  # fmt: skip


def _name_layer(group: str, run: list[Tensor], tensors: list[Tensor], start: int) -> LayerPath:
    """Return the path of the LSTM at `start` of `run`: the path of the group if it holds nothing else."""
    return (group,) if len(run) == len(tensors) == 12 else (group, run[start].name.rpartition("/")[2])


def _iterate_groups(root: Group) -> Iterator[Group]:
    names = [_GRAPH] if root.attribute("nb_layers") is None else [
        f"layer_{number}" for number in range(_read_count(root, "nb_layers"))
    ]  # fmt: skip
    for name in names:
        group = root.group(name)
        if group is None:
            raise CorruptModel(f"the file counts a layer {name}, but does not hold it")
        yield group


def _read_count(group: Group, attribute: str) -> int:
    value = group.attribute(attribute)
    if not isinstance(value, int) or not 0 <= value <= _MAX_PARAMETERS:
        raise CorruptModel(f"{attribute} of {group.path or '/'} is not a valid count: {value!r}")
    return value


def _read_array(group: Group, number: int) -> Tensor:
    tensor = group.tensor(f"param_{number}", opaque_is_bfloat16=False)
    if tensor is None:
        raise CorruptModel(f"{group.path} counts an array param_{number}, but does not hold it")
    return tensor


def _split_runs(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Split `tensors` into runs of recurrent triples (d, m), (m, m), (m,) of one size, and other single arrays."""
    start = 0
    while start < len(tensors):
        end = start
        while _is_triple(tensors[end : end + 3]) and (
            end == start or _list_shapes(tensors[end : end + 3]) == _list_shapes(tensors[start : start + 3])
        ):
            end += 3
        end = max(end, start + 1)
        yield tensors[start:end]
        start = end


def _list_shapes(tensors: list[Tensor]) -> list[tuple[int, ...]]:
    return [tensor.shape for tensor in tensors]


def _is_triple(tensors: list[Tensor]) -> bool:
    if len(tensors) != 3 or [len(tensor.shape) for tensor in tensors] != [2, 2, 1]:
        return False
    units = tensors[0].shape[1]
    return tensors[1].shape == (units, units) and tensors[2].shape == (units,)


def _is_lstms(run: list[Tensor], tensors: list[Tensor]) -> bool:
    """Return whether `run`, among all `tensors` of its group, is one LSTM or several.

    A group that holds nothing else is one layer, so twelve arrays are an LSTM. In a longer list, LSTM layers (four
    triples each) and GRU layers (three each) cannot be distinguished if both counts divide the run.
    """
    triples = len(run) // 3
    if len(run) == len(tensors) == 3 * _LSTM_TRIPLES:
        return True
    return triples >= _LSTM_TRIPLES and triples % _LSTM_TRIPLES == 0 and triples % _GRU_TRIPLES != 0


def _name_weights(group: str, run: list[Tensor], tensors: list[Tensor]) -> Iterator[Weight]:
    if not _is_lstms(run, tensors):
        for tensor in run:
            yield Weight((group,), tensor.name.rpartition("/")[2], tensor)
        return
    for start in range(0, len(run), 3 * _LSTM_TRIPLES):
        layer = _name_layer(group, run, tensors, start)
        for position, tensor in enumerate(run[start : start + 3 * _LSTM_TRIPLES]):
            yield Weight(layer, f"{'WUb'[position % 3]}_{_ORDER[position // 3]}", tensor)
