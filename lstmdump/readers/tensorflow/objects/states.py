"""The states of stateful layers in an object graph: variables of (batch, units) that are no parameters.

Keras 2 lists them under the edge `states` of the layer, or of the object `keras_api` that it saves with the layer;
Keras 3 calls each of them `rnn_state`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tree import LayerPath
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.keras_names import Named

_EDGES = ("states", "_states")
_API = "keras_api"
_KERAS_3 = "/rnn_state"
_CELL_STEPS = 3  # `layer/stacked_rnn_cells/cell`


class StoredState(NamedTuple):
    """A state that is stored in the file.

    Attributes:
        layer: the name of the layer that it belongs to.
        node: the number of its variable in the object graph.
    """

    layer: str
    node: int


def find_states(graph: ObjectGraph, named: Sequence[Named]) -> list[StoredState]:
    """Return the states in `graph` that are not weights of the `named` layers, in the order of these layers."""
    owners: dict[int, int | None] = dict(_iterate_listed(graph))
    for number, node in enumerate(graph.nodes):
        if node.variable is not None and node.variable.full_name.endswith(_KERAS_3):
            owners.setdefault(number, None)
    if not owners:
        return []
    weights = {number for one in named for number in one.holder.variables.values()}
    names = _LayerNames(graph, named)
    found = [StoredState(names.of_state(number, owner), number) for number, owner in owners.items()]
    order = {"/".join(one.path): place for place, one in reversed(list(enumerate(named)))}
    return sorted(
        (state for state in found if state.node not in weights),
        key=lambda state: (order.get(state.layer, len(order)), state.node),
    )


def _iterate_listed(graph: ObjectGraph) -> Iterator[tuple[int, int]]:
    """Yield the variables that edges for states lead to, each with the node of its layer."""
    layers = {child: number for number, node in enumerate(graph.nodes) for edge, child in node.children if edge == _API}
    met: set[int] = set()
    for number, node in enumerate(graph.nodes):
        for edge, child in node.children:
            if edge not in _EDGES or child in met:
                continue
            met.add(child)
            for one in (child, *(inner for _, inner in graph.nodes[child].children)):
                if graph.nodes[one].variable is not None:
                    yield one, layers.get(number, number)


class _LayerNames:
    """The names of layers by the nodes on the way to their weights, and by the scopes of their variables."""

    def __init__(self, graph: ObjectGraph, named: Sequence[Named]) -> None:
        self._graph = graph
        self._by_node: dict[int, LayerPath] = {}
        self._by_scope: dict[str, LayerPath] = {}
        for one in named:
            for _, number in one.holder.way:
                self._by_node[number] = _shared_path(self._by_node.get(number, one.path), one.path)
            for scope in self._iterate_scopes(one):
                self._by_scope[scope] = _shared_path(self._by_scope.get(scope, one.path), one.path)

    def _iterate_scopes(self, one: Named) -> Iterator[str]:
        """Yield the scopes of the variables of a layer, and those around them, as far out as a layer can be."""
        names = (self._graph.nodes[number].variable for number in one.holder.variables.values())
        for scope in {variable.full_name.rpartition("/")[0] for variable in names if variable is not None}:
            outer = scope
            for _ in range(_CELL_STEPS):
                yield outer
                outer = outer.rpartition("/")[0]

    def of_state(self, number: int, owner: int | None) -> str:
        """Return the name of the layer of the state `number`, whose layer is the node `owner` if an edge shows it."""
        variable = self._graph.nodes[number].variable
        scope = variable.full_name.rpartition("/")[0] if variable is not None else ""
        path = self._by_node.get(owner, ()) if owner is not None else ()
        return "/".join(path or self._by_scope.get(scope, ())) or scope.rpartition("/")[2] or "a layer without a name"


def _shared_path(one: LayerPath, other: LayerPath) -> LayerPath:
    """Return the names that both paths begin with."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return tuple(name for name, _ in same)
