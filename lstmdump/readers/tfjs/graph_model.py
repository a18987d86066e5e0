"""Graph models of TensorFlow.js: graphs of TensorFlow as JSON, whose constants are in the files of weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format
from lstmdump.readers.tensorflow import frozen_graph
from lstmdump.readers.tensorflow.graph.graph_def import Graph
from lstmdump.readers.tfjs import graph_text, repeated_arrays
from lstmdump.readers.tfjs.weights import StoredWeights

_READ = "/ReadVariableOp"  # the end of the name of a variable, which the converter made a constant
_CALL = "StatefulPartitionedCall/"  # TensorFlow's own name for the call of a function
_STEPS = 4  # of the name of an array, at least: of the model, of the layer, and of the two nodes that read the array
_VERSION = re.compile(r"\d+\.\d+\S*")


def read_graph(
    topology: Mapping[str, Any], stored: StoredWeights, generated_by: object, called: str, limits: Limits
) -> Model:
    """Return the model of the graph in `topology`, whose constants are `stored`.

    Args:
        topology: the value of the key `modelTopology`.
        stored: the arrays.
        generated_by: the value of the key `generatedBy`, the version of TensorFlow.
        called: the name of the JSON file in error messages.
        limits: the limits of the model.

    Raises:
        CorruptModel: The graph is damaged.
        RefusedModel: It exceeds a limit.
    """
    constants = {name: tensor for name, tensor in stored.tensors.items() if tensor.shape and tensor.dtype == "float32"}
    _require_text(constants, called)
    known = [name for name in constants if name.endswith(_READ)]
    prefix = _find_prefix(known)
    version = generated_by if isinstance(generated_by, str) and _VERSION.fullmatch(generated_by) else None

    def describe(copies: Mapping[str, str]) -> Model:
        return frozen_graph.describe(
            Graph(graph_text.encode(topology, stored.read_few, prefix, called, limits, copies), limits),
            {name.removeprefix(prefix): tensor for name, tensor in constants.items() if name not in copies},
            limits,
            producer=f"tensorflow {version}" if version else "tensorflow",
            release=stored.close,
            format_word=Format.TFJS.value,
            known=[name.removeprefix(prefix) for name in known if name not in copies],
        )

    model, copies = repeated_arrays.describe(describe, stored, known, _READ)
    of_layers = {tensor.name for layer in model.root.walk() for tensor in layer.weights.values()}
    quantized = stored.note_quantized(name for name in stored.entries if name in of_layers)
    return model._replace(notes=(*model.notes, *repeated_arrays.note(copies), *quantized))


def _require_text(names: Iterable[str], called: str) -> None:
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        raise CorruptModel(f"{called} names an array with half a surrogate pair, which is no text") from None


def _find_prefix(names: Sequence[str]) -> str:
    """Return with what the `names` of all arrays begin: the calls of functions, and the name of the model."""
    prefix = ""
    while names and all(name.startswith(prefix + _CALL) for name in names):
        prefix += _CALL
    rest = [name.removeprefix(prefix).split("/") for name in names]
    is_one_model = len({steps[0] for steps in rest}) == 1 and all(len(steps) >= _STEPS for steps in rest)
    return f"{prefix}{rest[0][0]}/" if prefix and is_one_model else prefix
