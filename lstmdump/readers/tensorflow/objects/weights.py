"""The objects that hold variables in an object graph, with the edges that lead to them, in the order of the model.

Objects without weights of the model are left out: optimizers with their slots, metrics, counters, random seeds, and the
lists that Keras keeps in addition to the layers. A variable that can be reached in two ways belongs to the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lstmdump.model.limits import limit_exceeded
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph, ObjectNode, Variable

_OTHER_EDGES = frozenset({
    "variables", "trainable_variables", "non_trainable_variables", "regularization_losses", "keras_api",
    "signatures", "serve", "_all_variables", "_misc_assets", "_compiled_trainable_state", "metrics",
    "_metrics", "compiled_metrics", "_compile_metrics", "compiled_loss", "_compile_loss", "_loss_tracker", "states",
    "_states", "_random_generator", "seed_generator", "_seed_generator", "_seed_generators",
    "_saved_model_inputs_spec",
})  # fmt: skip
_LISTS = ("variables", "trainable_variables", "non_trainable_variables")
_COUNTERS = frozenset({"save_counter", "step", "global_step", "epoch"})
_OPTIMIZERS = frozenset({"optimizer", "experimentalOptimizer"})
_OPTIMIZER_EDGE = "optimizer"
_OPTIMIZER_EDGES = ({"_iterations", "_learning_rate"}, {"iter", "learning_rate"}, {"_iterations", "_variables"})
_METRIC, _METRIC_EDGES = "_tf_keras_metric", {"total", "count"}
_NO_PARAMETERS = ("seed_generator_state", "rnn_state")
_MAX_DIGITS = 10
_INTEGERS = ("int", "uint")
_LAYER = re.compile(r"layer-(\d{1,9})")

Way = tuple[tuple[str, int], ...]
"""The edges from the root, each with the node that it leads to."""


class Holder:
    """An object that holds variables: a layer, a cell, or a common scope of variables.

    Attributes:
        way: the edges from the root to it; empty if only the names of the variables show that it exists.
        variables: the numbers of the nodes of the variables, by the name of the edge.
    """

    __slots__ = ("variables", "way")

    def __init__(self, way: Way) -> None:
        self.way = way
        self.variables: dict[str, int] = {}


def find_holders(graph: ObjectGraph) -> list[Holder]:
    """Return all objects in `graph` that hold weights of the model, in the order of the model.

    Raises:
        RefusedModel: Objects are nested more deeply than the limit.
    """
    walk = _Walk(graph)
    walk.collect_below_root()
    walk.collect_listed()
    return walk.found


def lacks_cells(graph: ObjectGraph, found: Sequence[Holder]) -> bool:
    """Return whether a layer in `graph` has an empty cell whose weights are not in `found` in another way.

    The layer that was passed to a Bidirectional does not count: Keras 3.0 stores it with its copies, but not built.
    """
    patterns = {
        graph.edges(number).get("layer") for number in range(len(graph.nodes)) if _is_bidirectional(graph, number)
    }
    cells = [graph.edges(number).get("cell") for number in range(len(graph.nodes)) if number not in patterns]
    return any(cell is not None and not graph.nodes[cell].children for cell in cells) and all(one.way for one in found)


def _is_bidirectional(graph: ObjectGraph, number: int) -> bool:
    return {"forward_layer", "backward_layer"} <= graph.edges(number).keys()


class _Walk:
    """A depth-first walk from the root along the edges that connect layers.

    Each node is visited once, on the first way to it in the order of the model; slots count as visited from the start.
    Variables that no layer leads to are taken from lists afterwards, so that each has its layer if there is one.
    """

    def __init__(self, graph: ObjectGraph) -> None:
        self._graph = graph
        self._max_depth = graph.limits.nesting
        self._seen: set[int] = set(graph.slots)
        self._optimizers: list[int] = []
        self.found: list[Holder] = []

    def collect_below_root(self) -> None:
        """Collect the holders that the edges between layers lead to."""
        waiting: list[Way] = [()]
        while waiting:
            way = waiting.pop()
            if len(way) > self._max_depth:
                words = f"objects are nested more than {self._max_depth} deep"
                raise limit_exceeded("nesting", words, needed=2 * self._max_depth)
            number = way[-1][1] if way else 0
            if number in self._seen:
                continue
            self._seen.add(number)
            node = self._graph.nodes[number]
            if _is_metric(node):
                continue
            if way and (is_optimizer(node) or way[-1][0] == _OPTIMIZER_EDGE):
                self._optimizers.append(number)
                continue
            if not node.children:
                continue
            edges = _sort_edges(node)
            self._collect_variables(Holder(way), edges)
            waiting.extend((*way, edge) for edge in reversed(edges) if self._graph.nodes[edge[1]].variable is None)

    def _collect_variables(self, holder: Holder, edges: list[tuple[str, int]]) -> None:
        for name, number in edges:
            variable = self._graph.nodes[number].variable
            if variable is not None and number not in self._seen and _is_weight(name, variable, holder.way):
                self._seen.add(number)
                holder.variables[name] = number
        if holder.variables:
            self.found.append(holder)

    def collect_listed(self) -> None:
        """Collect variables that only lists lead to: those of the root, as exported models have, and of an optimizer.

        Keras 3 omits the cells of a list from a checkpoint, unless the optimizer was saved as well.
        """
        lists = [self._graph.walk_to((edge,)) for edge in _LISTS]
        lists += [child for number in self._optimizers for name, child in self._graph.nodes[number].children
                  if name == "_trainable_variables"]  # fmt: skip
        scopes: dict[str, Holder] = {}
        for place in lists:
            for _, number in self._graph.nodes[place].children if place is not None else ():
                variable = self._graph.nodes[number].variable
                if variable is None or number in self._seen or not _is_parameter(variable):
                    continue
                self._seen.add(number)
                scope, _, leaf = variable.full_name.rpartition("/")
                holder = scopes.get(scope)
                if holder is None or leaf in holder.variables:
                    holder = scopes[scope] = Holder(())
                    self.found.append(holder)
                holder.variables[leaf] = number


def is_optimizer(node: ObjectNode) -> bool:
    """Return whether `node` is an optimizer, by its kind, its slots or its edges."""
    edges = {name for name, _ in node.children}
    return node.identifier in _OPTIMIZERS or node.has_slots or any(marks <= edges for marks in _OPTIMIZER_EDGES)


def _is_metric(node: ObjectNode) -> bool:
    return node.identifier == _METRIC or {name for name, _ in node.children} == _METRIC_EDGES


def _is_weight(edge: str, variable: Variable, way: Way) -> bool:
    counts = edge in _COUNTERS or (not way and variable.shape == () and (variable.dtype or "").startswith(_INTEGERS))
    return _is_parameter(variable) and not counts


def _is_parameter(variable: Variable) -> bool:
    return variable.full_name.rpartition("/")[2] not in _NO_PARAMETERS


def _sort_edges(node: ObjectNode) -> list[tuple[str, int]]:
    """Return the edges that may lead to weights, in the order of the model: Keras 2 numbers the layers of a model."""
    edges = [edge for edge in node.children if edge[0] not in _OTHER_EDGES]
    return sorted(edges, key=lambda edge: _sort_key(edge[0])) if len(edges) > 1 else edges


def _sort_key(edge: str) -> tuple[int, int]:
    """Return the sort key of `edge`: numbered layers and items of lists by number, forward before backward."""
    if layer := _LAYER.fullmatch(edge):
        return 0, int(layer[1])
    if edge.isdecimal() and len(edge) < _MAX_DIGITS:
        return 1, int(edge)
    return (3 if edge == "backward_layer" else 2), 0
