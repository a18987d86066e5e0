"""Models from the objects that TensorFlow 2 saved in a checkpoint or a SavedModel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tensor import Tensor, without_numbers
from lstmdump.model.tree import NO_CLASSES, Model, Weight, grow, note_states
from lstmdump.readers.detect import Format
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.keras_names import Named
from lstmdump.readers.tensorflow.objects.slots import find_slots, note_slots
from lstmdump.readers.tensorflow.objects.states import find_states
from lstmdump.readers.tensorflow.wire.bundle import Bundle

_KERAS_3 = frozenset({"_all_variables", "_functional", "_operations", "_tracked", "_inbound_nodes"})
_KERAS_2 = frozenset({"layer-0", "layer_with_weights-0"})
_FIRST_NODES = 50  # nodes, among which the model and its first layers are


def of_objects(
    bundle: Bundle | None,
    graph: ObjectGraph,
    named: Sequence[Named],
    kind: Format,
    producer: str,
    notes: Sequence[str],
) -> Model:
    """Return the model of the `named` objects in `graph`.

    Args:
        bundle: the bundle with the variables; if it is None, only names and shapes are known.
        graph: the object graph.
        named: the layers in the graph, with their names.
        kind: the format of the model.
        producer: the program that wrote the model.
        notes: notes on the model, which precede those on its classes.

    Raises:
        CorruptModel: A variable is missing from the bundle, or has another shape.
    """
    used = [number for one in named for number in one.holder.variables.values()]
    states = [state for state in find_states(graph, named) if bundle is None or _is_stored(bundle, graph, state.node)]
    used += [state.node for state in states]
    tensors = _list_declared(graph) if bundle is None else _list_stored(bundle, graph, used)
    weights = [
        Weight(one.path, leaf, tensors[number])
        for one in named
        for leaf, number in one.holder.variables.items()
        if number in tensors
    ]
    kinds = {one.path: one.kind for one in named if one.kind is not None}
    beside = [(state.layer, tensors[state.node]) for state in states if state.node in tensors]
    settings = {one.path: _add_states(one, beside) for one in named}
    slots = {} if bundle is None else find_slots(bundle, graph, frozenset(used))
    all_notes = [*notes, *([] if kinds else [NO_CLASSES]), *note_states(beside), *note_slots(slots, len(weights))]
    release = (lambda: None) if bundle is None else bundle.close
    root = grow(weights, kinds, settings, graph.limits)
    return Model(
        kind.value,
        producer,
        root,
        notes=tuple(all_notes),
        release=release,
        beside=(*(tensor for _, tensor in beside), *(tensor for arrays in slots.values() for tensor in arrays)),
    )


def _add_states(one: Named, states: Sequence[tuple[str, Tensor]]) -> DeferredSettings:
    """Return the settings of a layer with its last states among `states`, pairs of the name of a layer and an array."""
    around = ["/".join(one.path[:length]) for length in range(1, len(one.path) + 1)]
    names = tuple(tensor.name for layer, tensor in states if layer in around)
    return one.settings.with_stored_states(names) if names else one.settings


def _is_stored(bundle: Bundle, graph: ObjectGraph, number: int) -> bool:
    """Return whether `bundle` holds the variable at a node, without which the model is complete all the same."""
    variable = graph.nodes[number].variable
    return variable is not None and variable.key is not None and variable.key in bundle


def _list_declared(graph: ObjectGraph) -> dict[int, Tensor]:
    """Return the variables of `graph` by node, for a model without a bundle."""
    known = {number: node.variable for number, node in enumerate(graph.nodes) if node.variable is not None}
    times = Counter(variable.full_name for variable in known.values())
    return {
        number: without_numbers(
            variable.full_name if times[variable.full_name] == 1 else f"{variable.full_name} (node {number})",
            variable.shape,
            variable.dtype,
        )
        for number, variable in known.items()
        if variable.shape is not None and variable.dtype is not None
    }


def _list_stored(bundle: Bundle, graph: ObjectGraph, used: Iterable[int]) -> dict[int, Tensor]:
    """Return the variables at the nodes `used` of `graph`, from `bundle`; those that hold text are left out.

    Raises:
        CorruptModel: A variable is missing from the bundle, or has another shape.
    """
    found = {}
    for number in used:
        variable = graph.nodes[number].variable
        if variable is None:
            continue
        if variable.key is None or variable.key not in bundle:
            name = variable.key or variable.full_name
            raise CorruptModel(f"the object graph names {name}, but the index does not list it")
        tensor = bundle.tensor(variable.key)
        if variable.shape not in (None, tensor.shape):
            raise CorruptModel(f"{variable.key} has shape {tensor.shape}, but {variable.shape} in the object graph")
        if tensor.dtype != "string":
            found[number] = tensor
    return found


def producer(graph: ObjectGraph, version: str = "") -> str:
    """Return the producer of `graph`, as far as its objects show it; `version` is that of TensorFlow, if known."""
    nodes = graph.nodes[:_FIRST_NODES]
    edges = {name for node in nodes for name, _ in node.children}
    tensorflow = f"tensorflow {version}" if version else "tensorflow"
    if edges & _KERAS_2 or any(node.identifier.startswith("_tf_keras") for node in nodes):
        return f"tf.keras 2 ({tensorflow})"
    if edges & _KERAS_3:
        return f"keras 3 ({tensorflow})"
    return tensorflow if version else "tensorflow 2"
