"""The arrays that optimizers have stored beside the weights in an object graph: slots, such as momentums.

TensorFlow 2 and Keras 2 up to 2.10 store a slot under the key of its variable, `…/kernel/.OPTIMIZER_SLOT/optimizer/m`;
later optimizers have them in a list of their own, `optimizer/_variables/1`. The full name of a slot begins with the
name of its optimizer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lstmdump.model.sentences import count, plural
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tensorflow.objects.graph import KEY_ENDING, ObjectGraph
from lstmdump.readers.tensorflow.objects.weights import is_optimizer
from lstmdump.readers.tensorflow.wire.bundle import Bundle

_SLOT = "/.OPTIMIZER_SLOT/"
_LIST = "_variables"


def find_slots(bundle: Bundle, graph: ObjectGraph, used: Collection[int]) -> dict[str, list[Tensor]]:
    """Return the arrays in `bundle` that are slots, by the name of the optimizer; `used` are the nodes of weights."""
    found: dict[str, list[Tensor]] = {}
    for key, name in _iterate_keys(bundle, graph, used).items():
        tensor = bundle.tensor(key)
        if tensor.shape and tensor.dtype != "string":
            found.setdefault(name, []).append(tensor)
    return found


def note_slots(slots: Mapping[str, Sequence[Tensor]], weights: int) -> list[str]:
    """Return the note on `slots` beside a number of weights: `beside 3 weights: Adam (264)`."""
    names = [f"{name} ({count(sum(tensor.size for tensor in arrays))})" for name, arrays in slots.items()]
    return [f"beside {plural(weights, 'weight')}: {', '.join(names)}"] if names else []


def _iterate_keys(bundle: Bundle, graph: ObjectGraph, used: Collection[int]) -> dict[str, str]:
    """Return the keys of slots, each with the name of its optimizer."""
    names = {node.variable.key: node.variable.full_name for node in graph.nodes if node.variable is not None}
    found = {key: _name_optimizer(names.get(key, ""), key.partition(_SLOT)[2])
             for key in bundle.names() if _SLOT in key and key.endswith(KEY_ENDING)}  # fmt: skip
    for path, number in _iterate_listed(graph):
        variable = graph.nodes[number].variable
        if number not in used and variable is not None and variable.key is not None and variable.key in bundle:
            found.setdefault(variable.key, _name_optimizer(variable.full_name, path))
    return found


def _name_optimizer(full_name: str, path: str) -> str:
    """Return the name of an optimizer: the first step of the full name of its slot, or the edge that leads to it."""
    name, slash, _ = full_name.partition("/")
    return name if slash else path.partition("/")[0]


def _iterate_listed(graph: ObjectGraph) -> Iterator[tuple[str, int]]:
    """Yield the variables in the lists of optimizers, each with the name of the edge that leads to the optimizer."""
    edges = {child: edge for node in graph.nodes for edge, child in node.children}
    for number, node in enumerate(graph.nodes):
        listed = dict(node.children).get(_LIST) if number and is_optimizer(node) else None
        for _, child in graph.nodes[listed].children if listed is not None else ():
            yield edges.get(number, "optimizer"), child
