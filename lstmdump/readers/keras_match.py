"""Which stored arrays belong to which layer of the architecture, and so what the layer is called.

Keras stores all arrays below a top-level layer in one group, flattened, with names that lost some of the layers around
them and in an order that puts frozen layers last. A layer is found by its own name in the arrays' scope, and where no
name is kept, by order among those of its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lstmdump.errors import CorruptModel
from lstmdump.model import LayerPath
from lstmdump.readers.keras_config import CONTAINERS, ConfigLayer
from lstmdump.readers.keras_names import names_in, within
from lstmdump.tensor import Tensor

_RECURRENT_LEAVES = ("recurrent_kernel", "U_i", "U")
_LSTM_CLASSES = frozenset({"LSTM", "LSTMCell", "CuDNNLSTM"})
_GATES = {"LSTM": 4, "LSTMCell": 4, "CuDNNLSTM": 4, "GRU": 3, "GRUCell": 3, "CuDNNGRU": 3, "SimpleRNN": 1}
_GATED_SETTINGS = ("recurrent_activation", "inner_activation")


@dataclass
class Bucket:
    """The arrays of one layer, as the file groups them.

    Attributes:
        group: the name of the top-level layer they are stored under.
        scope: the part of their names that they share.
        number: which of several layers of this very scope.
    """

    group: str
    scope: str
    number: int
    arrays: dict[str, Tensor] = field(default_factory=dict)

    @property
    def units(self) -> int | None:
        """The rows of its recurrent kernel, if it has one."""
        for leaf in _RECURRENT_LEAVES:
            if leaf in self.arrays and len(self.arrays[leaf].shape) == 2:
                return self.arrays[leaf].shape[0]
        return None


@dataclass(frozen=True)
class Leaf:
    """A layer of the architecture that holds no other and so may hold arrays.

    Attributes:
        steps: per name on the way to it, outermost first, the forms it can take in the file; the first is the default.
        certain: whether all around it are classes of Keras's own, so that the arrays must be there.
        shared: the number that marks it as standing in the model more than once, with its place in a wrapper.
    """

    steps: tuple[tuple[str, ...], ...]
    layer: ConfigLayer
    certain: bool
    shared: tuple[object, ...] | None

    @property
    def units(self) -> int | None:
        """The units that the configuration states."""
        return _whole_number(self.layer.settings.get("units", self.layer.settings.get("output_dim")))

    @property
    def input_dim(self) -> int | None:
        """The width of the input that the configuration of a model's first layer states."""
        shape = self.layer.settings.get("batch_input_shape")
        last = shape[-1] if isinstance(shape, list) and shape else self.layer.settings.get("input_dim")
        return _whole_number(last)

    @property
    def use_bias(self) -> bool | None:
        """Whether the configuration states a bias; Keras 1 states nothing, and always has one."""
        value = self.layer.settings.get("use_bias")
        return value if isinstance(value, bool) else None

    @property
    def is_lstm(self) -> bool:
        """Whether its class is one of Keras's own LSTM classes."""
        return self.layer.kind in _LSTM_CLASSES

    @property
    def is_gated(self) -> bool:
        """Whether its configuration is that of a gated recurrent layer, of whatever class."""
        return self.is_lstm or any(key in self.layer.settings for key in _GATED_SETTINGS)

    def may_have(self, units: int) -> bool:
        """Whether the configuration allows UNITS; that of an LSTMCell states none in Keras 2.0.9 to 2.1.0."""
        return self.units in (units, None)

    def path_in(self, scope: str) -> LayerPath:
        """Its names, each in the form in which it stands in SCOPE."""
        return tuple(next((form for form in forms if within(scope, form)), forms[0]) for forms in self.steps)

    def kept_in(self, scope: str) -> int:
        """How many of its names stand in SCOPE; 0 where its own does not."""
        if not self.steps or not any(within(scope, form) for form in self.steps[-1]):
            return 0
        return sum(any(within(scope, form) for form in forms) for forms in self.steps)


def leaves(layer: ConfigLayer, around: tuple[tuple[str, ...], ...] = (), *, certain: bool = True) -> Iterator[Leaf]:
    """All leaves of LAYER, itself included, in the model's order. A Bidirectional's layer comes twice."""
    yield from _leaves(layer, around, _forms(layer.name), certain, ())


def _leaves(
    layer: ConfigLayer,
    around: tuple[tuple[str, ...], ...],
    forms: tuple[str, ...],
    certain: bool,
    turn: tuple[str, ...],
) -> Iterator[Leaf]:
    steps = (*around, forms) if forms else around
    if not layer.children:
        shared = None if layer.shared_id is None else (layer.shared_id, *turn)
        yield Leaf(steps, layer, certain, shared)
        return
    within_known = certain and layer.kind in CONTAINERS
    if layer.kind == "Bidirectional":
        inner = dict(layer.children)
        if "layer" in inner:
            forward = inner["layer"]
            backward = inner.get("backward_layer", forward)
            yield from _leaves(forward, steps, _turned("forward_", forward), within_known, (*turn, "forward"))
            yield from _leaves(backward, steps, _turned("backward_", backward), within_known, (*turn, "backward"))
            return
    for _, child in layer.children:
        yield from _leaves(child, steps, _forms(child.name), within_known, turn)


def _forms(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _turned(direction: str, layer: ConfigLayer) -> tuple[str, ...]:
    """The names a Bidirectional's layer goes by: Keras 1.0.8 to 1.1 and Keras 3 store the name with its direction."""
    name = layer.name or "layer"
    bare = name.removeprefix("forward_")
    return (name,) if name.startswith(direction) else (direction + bare, name)


def match(buckets: list[Bucket], candidates: Iterable[Leaf]) -> dict[int, Leaf]:
    """The leaf for each bucket of one group, by the bucket's index; those that have none are left out.

    Raises:
        CorruptModel: a layer is there by name, but of another size than the architecture says.
    """
    leaves = list(candidates)
    by_name: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        for form in leaf.steps[-1] if leaf.steps else ():
            by_name.setdefault(form, []).append(leaf)
    numbered = Counter(bucket.scope for bucket in buckets)  # those that share a scope are not named by it
    found: dict[int, Leaf] = {}
    taken: set[int] = set()
    for index, bucket in enumerate(buckets):
        named = [leaf for name in names_in(bucket.scope) for leaf in by_name.get(name, ()) if id(leaf) not in taken]
        best = max(named, key=lambda leaf: leaf.kept_in(bucket.scope), default=None)
        if best is None or numbered[bucket.scope] > 1:
            continue
        if (words := _disagreement(bucket, best)) is not None:
            raise CorruptModel(words)
        found[index] = best
        if best.is_lstm:  # any other may be a class of the user's, with several layers of its own in it
            taken.add(id(best))
    rest = [leaf for leaf in leaves if leaf.is_gated and id(leaf) not in taken]
    for index, bucket in enumerate(buckets):
        if index in found or bucket.units is None:
            continue
        fitting = next((leaf for leaf in rest if leaf.may_have(bucket.units) and not _disagreement(bucket, leaf)), None)
        if fitting is not None:
            found[index] = fitting
            rest.remove(fitting)
    return found


def _disagreement(bucket: Bucket, leaf: Leaf) -> str | None:
    """How the arrays of BUCKET differ from what the configuration of LEAF, a layer of Keras's own, describes."""
    gates = _GATES.get(leaf.layer.kind)
    if not leaf.certain or gates is None or bucket.units is None:
        return None
    kernel = bucket.arrays.get("kernel")  # Keras 1 stores an array per gate, so that there is less to disagree on
    rows, columns = kernel.shape if kernel is not None and len(kernel.shape) == 2 else (None, None)
    for what, by_config, by_arrays in (
        ("units", leaf.units, bucket.units),
        ("columns", gates * bucket.units, columns),
        ("input", leaf.input_dim if len(leaf.steps) == 1 else None, rows),
        ("bias", leaf.use_bias, None if kernel is None else "bias" in bucket.arrays),
    ):
        if None not in (by_config, by_arrays) and by_config != by_arrays:
            name = "/".join(leaf.path_in(bucket.scope))
            sides = f"{_told(by_config)} by the configuration, {_told(by_arrays)} by the arrays"
            return f"config and arrays disagree on the {what} of {name}: {sides}"
    return None


def _told(value: int | bool | None) -> str:
    return str(value) if not isinstance(value, bool) else "one" if value else "none"


def _whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
