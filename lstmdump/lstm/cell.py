"""An LSTM in a model: its stored arrays with their roles, and its gates whatever the layout is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from weakref import ref

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm.roles import Role, Sizes, count_formula
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import NOT_DESCRIBED, DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor, transposed

if TYPE_CHECKING:
    from lstmdump.lstm.gate_layouts import Layout

GATES = "ifco"
"""The gates by the field's letters: input, forget, candidate, output."""

_MOST_KEPT = 256  # layers that keep their gates
_VECTORS = {Role.PEEPHOLE: 1, Role.PEEPHOLES: 3, Role.NORMALIZATION: 1, Role.NORMALIZATION_OF_ALL: 4}
_BIASES = {Role.BIAS: 1, Role.GATE_BIAS: 1, Role.DOUBLED_BIAS: 2, Role.ADDED_BIAS: 2}
_PROJECTIONS = (Role.PROJECTION, Role.ROW_PROJECTION)


_NAMES = {"i": "input", "f": "forget", "c": "candidate", "o": "output"}
_LETTERS = "WUbV"


class LSTMWeight(NamedTuple):
    """A stored array and what it is to its LSTM."""

    role: Role
    name: str
    tensor: Tensor


class Gate(NamedTuple):
    """The arrays of one gate, not yet read: z = x·W + h·U + b, and c·V where there are peepholes.

    Attributes:
        W: The kernel, (d, m).
        U: The recurrent kernel, (h, m).
        b: The bias, (m,); None in a layer without bias.
        V: The peephole, (m,); None in the candidate, and in a cell without peepholes.
    """

    W: Tensor
    U: Tensor
    b: Tensor | None
    V: Tensor | None = None

    def arrays(self) -> list[Tensor]:
        """Return W, U, and b and V where there are such."""
        return [tensor for tensor in (self.W, self.U, self.b, self.V) if tensor is not None]

    def __repr__(self) -> str:
        return f"Gate({', '.join(_list_arrays(self))})"

    def _repr_html_(self) -> str:
        return _write_table([("", *_LETTERS), ("shape", *_list_shapes(self))])


def _list_shapes(gate: Gate) -> list[str]:
    return ["" if tensor is None else f"{tensor.shape}" for tensor in (gate.W, gate.U, gate.b, gate.V)]


def _list_arrays(gate: Gate) -> list[str]:
    return [f"{letter} {shape}" for letter, shape in zip(_LETTERS, _list_shapes(gate), strict=True) if shape]


class Gates(Mapping[str, Gate]):
    """The four gates by letter, each made by `make_gate` when it is first asked for: of many layers, few are.

    They are kept by the layers that were asked last. A gate takes 2 KB, and a file of 3 MB may hold 20,000 layers.
    """

    _last_asked: Final[deque[ref[Gates]]] = deque()

    def __init__(self, make_gate: Callable[[str], Gate]) -> None:
        self._make_gate = make_gate
        self._known: dict[str, Gate] = {}

    def __getitem__(self, letter: str) -> Gate:
        if (known := self._known.get(letter)) is not None:
            return known
        if letter not in tuple(GATES):
            raise KeyError(f"no gate is called {letter!r}; there are {', '.join(GATES)}")
        if not self._known:
            self._forget_others()
        self._known[letter] = gate = self._make_gate(letter)
        return gate

    def _forget_others(self) -> None:
        Gates._last_asked.append(ref(self))
        if len(Gates._last_asked) > _MOST_KEPT and (first := Gates._last_asked.popleft()()) is not None:
            first.forget()

    def forget(self) -> None:
        """Forget the gates, which are made again when they are asked for."""
        self._known.clear()

    def __repr__(self) -> str:
        lines = (f"{gate} ({_NAMES[gate]})  {'  '.join(_list_arrays(self[gate]))}" for gate in self)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(f"{gate} ({_NAMES[gate]})", *_list_shapes(self[gate])) for gate in self]
        return _write_table([("gate", *_LETTERS), *rows])

    def __iter__(self) -> Iterator[str]:
        return iter(GATES)

    def __len__(self) -> int:
        return len(GATES)


def _write_table(rows: Sequence[Sequence[str]]) -> str:
    """Return `rows`, a head and texts without signs that HTML has a meaning for, as a table of HTML."""
    head, *body = rows
    lines = ["".join(f"<th>{text}</th>" for text in head)]
    lines += [f"<th>{row[0]}</th>" + "".join(f"<td>{text}</td>" for text in row[1:]) for row in body]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


class LSTM:
    """An LSTM layer or cell, whole when constructed: each array has the shape that its role demands.

    Attributes:
        name: The names that the user gave, outermost first: `bidirectional/forward_lstm`.
        kind: The class that the file states, or what the shapes say.
        input_dim: d, the width of the input.
        units: m, the number of units.
        weights: The arrays as they are stored.
        layout: The form in which they are stored.
        gates: By letter, the W, U and b of each gate in one form for all layouts.
        forget_bias: What the cell adds to b_f at run time; 0.0 in Keras, where it is part of b_f; None where unknown.
        projection: p, the width of the projected output, or None.
        notes: What is particular about how this layer is stored, without its name.
        stated: What the file states of how the layer computes, not yet worked out.
        kind_stated: Whether the file states `kind`; if not, it is what the shapes say.
        producer: What wrote the model, as `lstmdump.LoadedModel.producer`; empty where that is not known.
        sizes: The sizes by their letters: d, m, h and, with a projection, p.

    Raises:
        NotAnLSTM: An array has another shape; the message gives both, with the reason.
    """

    __slots__ = (
        "forget_bias", "gates", "input_dim", "kind", "kind_stated", "layout", "name", "notes", "producer",
        "projection", "sizes", "stated", "units", "weights",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str,
        input_dim: int,
        units: int,
        weights: tuple[LSTMWeight, ...],
        layout: Layout,
        gates: Mapping[str, Gate],
        forget_bias: float | None = 0.0,
        projection: int | None = None,
        notes: tuple[str, ...] = (),
        stated: DeferredSettings = NOT_DESCRIBED,
        *,
        kind_stated: bool = True,
        producer: str = "",
    ) -> None:
        self.name: Final = name
        self.kind: Final = kind
        self.input_dim: Final = input_dim
        self.units: Final = units
        self.weights: Final = weights
        self.layout: Final = layout
        self.gates: Final = gates
        self.forget_bias: Final = forget_bias
        self.projection: Final = projection
        self.notes: Final = notes
        self.stated: Final = stated
        self.kind_stated: Final = kind_stated
        self.producer: Final = producer
        fed_back = units if projection is None else projection
        self.sizes: Final = Sizes(input_dim, units, fed_back, fed_back)
        self._check_shapes()

    def __repr__(self) -> str:
        return f"LSTM({self.name!r}, {self.kind}, {self.input_dim} inputs, {self.units} units)"

    def _check_shapes(self) -> None:
        for weight in self.weights:
            wanted = weight.role.shape(self.sizes)
            if weight.tensor.shape != wanted:
                raise NotAnLSTM(
                    f"{self.name}: {weight.name} is {weight.tensor.shape}, but an LSTM of {self.units} units on "
                    f"{self.input_dim} inputs has {wanted} = {weight.role.formula(self.sizes)}"
                )

    @property
    def settings(self) -> LayerSettings:
        """What the file states of how the layer computes."""
        return self.stated.get()

    @property
    def gate_order(self) -> str:
        """The order in which the file stores the gates: `ifco` or `icfo`."""
        return self.layout.order

    @property
    def parameters(self) -> int:
        """How many numbers the file stores for the layer."""
        return sum(weight.tensor.size for weight in self.weights)

    @property
    def parameters_formula(self) -> str:
        """The closed form of that count."""
        return count_formula(
            self.sizes,
            biases=self.biases,
            vectors=sum(_VECTORS.get(weight.role, 0) for weight in self.weights),
            projection=self.projection is not None,
            projection_bias=any(weight.role is Role.PROJECTION_BIAS for weight in self.weights),
        )

    @property
    def projection_kernel(self) -> Tensor | None:
        """The projection, (m, p), that makes h out of the output of the cell; None where there is none."""
        stored, name = self.stored_projection, f"{self.name}/P"
        if stored is None:
            return None
        return (
            transposed(stored.tensor.restored(), name)
            if stored.role is Role.ROW_PROJECTION
            else stored.tensor.renamed(name)
        )

    @property
    def stored_projection(self) -> LSTMWeight | None:
        """The projection as it is stored, which may be transposed; None where there is none."""
        return next((weight for weight in self.weights if weight.role in _PROJECTIONS), None)

    def arrays(self, gates: str = GATES) -> list[Tensor]:
        """Return the arrays of some gates in the form that all layouts have; with all four also the projection."""
        found = [tensor for gate in gates for tensor in self.gates[gate].arrays()]
        whole = self.projection_kernel if gates == GATES else None
        return found if whole is None else [*found, whole]

    @property
    def gate_columns(self) -> dict[str, tuple[int, int]] | None:
        """By gate, the first column and the one after the last; None where the gates are not side by side."""
        return self._list_spans() if self.layout.has_columns else None

    @property
    def gate_rows(self) -> dict[str, tuple[int, int]] | None:
        """By gate, the first row and the one after the last; None where the gates are not one below the other."""
        return self._list_spans() if self.layout.has_rows else None

    def _list_spans(self) -> dict[str, tuple[int, int]]:
        return {gate: (k * self.units, (k + 1) * self.units) for k, gate in enumerate(self.gate_order)}

    @property
    def biases(self) -> int:
        """How many biases the file stores for each unit of a gate: 0, 1, or 2 in the layouts of CuDNN and PyTorch."""
        return next((_BIASES[weight.role] for weight in self.weights if weight.role in _BIASES), 0)

    @property
    def use_bias(self) -> bool:
        """Whether the layer has a bias."""
        return any(weight.role in _BIASES for weight in self.weights)

    @property
    def peepholes(self) -> bool:
        """Whether the gates see the cell state."""
        return any(weight.role in (Role.PEEPHOLE, Role.PEEPHOLES) for weight in self.weights)

    @property
    def normalized(self) -> bool:
        """Whether the gates are normalized before they are applied, with arrays of their own."""
        return any(weight.role in (Role.NORMALIZATION, Role.NORMALIZATION_OF_ALL) for weight in self.weights)
