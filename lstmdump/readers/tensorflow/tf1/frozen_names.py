"""Graphs frozen by TensorFlow 2, without the names of the variables: a constant is named after the node that reads it.

=============================  ============  ==============  =====================
Keras 2, a whole layer         `Read`        `Read_1`        `Read_2`
Keras 2, a cell                `MatMul`      `MatMul_1`      `BiasAdd`
Keras 2, one product per gate  `split`       (nothing)       `split_1`
Keras 3                        `Cast`        `Cast_1`        `BiasAdd_1`
=============================  ============  ==============  =====================

are the names between the scope of the layer and `/ReadVariableOp/resource`, for its three arrays. Measured on graphs
of `convert_variables_to_constants_v2` with tf_keras 2.21 and Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath, Weight
from lstmdump.readers.keras.architecture.names import drop_automatic_names, drop_stack_names

NOTE = "the graph does not hold the names of its variables: layers are named after the scopes that read them"
_ENDING = "ReadVariableOp/resource"
_LEAVES = {
    **dict.fromkeys(("Read", "MatMul", "split", "Cast"), "kernel"),
    **dict.fromkeys(("Read_1", "MatMul_1", "", "Cast_1"), "recurrent_kernel"),
    **dict.fromkeys(("Read_2", "BiasAdd", "split_1", "BiasAdd_1"), "bias"),
}


def is_read(name: str) -> bool:
    """Return whether the constant `name` is named after the node that reads it."""
    return name.endswith(_ENDING)


def place(tensors: Mapping[str, Tensor]) -> list[Weight]:
    """Return the weights in `tensors` by the scopes that read them, those of an LSTM under their usual names."""
    scopes: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        around, _, reader = name.removesuffix(_ENDING).removesuffix("/").rpartition("/")
        if reader not in _LEAVES:
            around, reader = f"{around}/{reader}", ""
        scopes.setdefault(around, {})[reader] = tensor
    paths = _find_paths(list(scopes))
    return [
        Weight(paths[scope], leaf or _ENDING, tensor)
        for scope, arrays in scopes.items()
        for leaf, tensor in (_name_lstm_arrays(arrays) or arrays).items()
    ]


def _name_lstm_arrays(arrays: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return `arrays` under the names of an LSTM's arrays, or None; a dense layer has no recurrent kernel."""
    named = {_LEAVES[reader]: tensor for reader, tensor in arrays.items() if reader in _LEAVES}
    if len(named) != len(arrays) or not {"kernel", "recurrent_kernel"} <= set(named):
        return None
    order = ("kernel", "recurrent_kernel", "bias")
    return {leaf: named[leaf] for leaf in order if leaf in named}


def _find_paths(scopes: list[str]) -> dict[str, LayerPath]:
    """Return a path for each scope, without a model's name that all have in common, and without automatic names."""
    steps = {scope: tuple(step for step in scope.split("/") if step) for scope in scopes}
    model = {path[:1] for path in steps.values()}
    if len(steps) > 1 and len(model) == 1 and all(len(path) > 1 for path in steps.values()):
        steps = {scope: path[1:] for scope, path in steps.items()}
    # Unlike in other formats, the arrays next to a cell belong to its layer as well, and the only cell in a stack keeps
    # the name of the stack.
    paths = drop_automatic_names(list(steps.values()), [True] * len(steps), stacks=False, may_merge=True)
    return {scope: drop_stack_names(path) for scope, path in zip(steps, paths, strict=True)}
