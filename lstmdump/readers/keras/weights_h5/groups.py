"""The groups of a `.weights.h5`, as Keras writes them since 2.12: `layers/lstm_1/cell/vars/0`.

The arrays of a layer are in its group `vars` under their numbers. The layers within it are in groups named after the
attribute that holds them; those of a list are in groups named after their classes, with numbers. HDF5 lists `lstm_10`
before `lstm_2`. Since Keras 3.6 the attribute `name` of `vars` is the name of the layer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from lstmdump.errors import CorruptModel, LstmdumpError
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.tensor import Tensor
from lstmdump.readers.hdf5.file import Group, HDF5File
from lstmdump.readers.hdf5.groups import too_many_links

LISTS = ("layers", "_layer_checkpoint_dependencies")  # the groups of a model's layers; the latter in 2.12 to 2.14
_VARS = "vars"

_NO_LAYERS = frozenset({"optimizer", "metrics", "_metrics", "_compile_metrics"})  # the attributes of a compiled model
_NUMBERS = frozenset({"int32", "int64", "uint32", "uint64"})
_OPTIMIZER = r".*opt(imi[sz]er)?(_.*)?"
_METRIC = r"(.*_)?(metrics?|tracker|loss)(_.*)?"


class VariableGroup:
    """A group of variables and all groups below: a layer, a cell, or a list of layers.

    Attributes:
        path: the path of the group in the file.
        key: the last step of the path.
        place: the shard and the address of the group, which sort groups in the order in which they were written.
        name: the name of the layer, since Keras 3.6.
        is_layer: whether it has a group `vars`; lists do not, and layers without arrays of their own may not.
        arrays: the arrays by number, in order.
        children: the groups directly below, by key.
        size: for the root only, the bytes of all arrays, including those that are left out.
    """

    __slots__ = ("arrays", "children", "is_layer", "key", "name", "path", "place", "size")

    def __init__(self, path: str, key: str, place: tuple[int, int]) -> None:
        self.path = path
        self.key = key
        self.place = place
        self.name: str | None = None
        self.is_layer = False
        self.arrays: dict[str, Tensor] = {}
        self.children: dict[str, VariableGroup] = {}
        self.size = 0

    def walk(self) -> Iterator[VariableGroup]:
        """Yield this group and all groups below it."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def child(self, *keys: str) -> VariableGroup | None:
        """Return the first child whose key is one of `keys`, in their order."""
        return next((self.children[key] for key in keys if key in self.children), None)

    def in_order(self) -> list[VariableGroup]:
        """Return the children in the order in which they were written, but a forward layer before a backward one."""
        found = sorted(self.children.values(), key=lambda child: child.place)
        keys = [child.key for child in found]
        if "forward_layer" in keys and "backward_layer" in keys:
            one, other = sorted((keys.index("forward_layer"), keys.index("backward_layer")))
            found[one], found[other] = self.children["forward_layer"], self.children["backward_layer"]
        return found


def is_weights_h5(root: HDF5File) -> bool:
    """Return whether `root` is the root of a file with this layout."""
    first = {name.split("\\")[0] for name in root.names()}
    if not first.isdisjoint({*LISTS, _VARS}):
        return True
    try:
        return any(stored.is_layer for stored in read_groups([root], opaque_is_bfloat16=True).walk())
    except LstmdumpError:
        return False


def read_groups(roots: Sequence[HDF5File], *, opaque_is_bfloat16: bool) -> VariableGroup:
    """Read the tree of groups, without those of optimizers, metrics and seeds.

    Args:
        roots: the files, each of which is one shard.
        opaque_is_bfloat16: whether two-byte numbers of unknown type are bfloat16 even without the mark that Keras 3
            writes, as in files of Keras 2.

    Raises:
        CorruptModel: A file is damaged, or a group contains itself.
        RefusedModel: The number of groups exceeds the limit, or there is a link to another file.
    """
    tree = VariableGroup("", "", (0, 0))
    for shard, root in enumerate(roots):
        root.look_ahead()
        _ShardReader(tree, shard, root.limits, opaque_is_bfloat16=opaque_is_bfloat16).visit(root, tree, ())
        root.check_declared_sizes()
    for stored in tree.walk():
        stored.arrays = {key: stored.arrays[key] for key in sorted(stored.arrays, key=_sort_key)}
    _drop_other_groups(tree, at_root=True)
    return tree


class _ShardReader:
    """Reads one file, the shard of that `number`, into `tree`."""

    def __init__(self, tree: VariableGroup, number: int, limits: Limits, *, opaque_is_bfloat16: bool) -> None:
        self._tree = tree
        self._limits = limits
        self._number = number
        self._opaque_is_bfloat16 = opaque_is_bfloat16
        self._seen: set[int] = set()

    def visit(self, group: Group, stored: VariableGroup, steps: tuple[str, ...]) -> None:
        """Add `group`, which `stored` describes, and all groups below it to the tree."""
        address = group.address
        if address in self._seen:
            raise CorruptModel(f"the group {group.path} has two names, or contains itself")
        if len(steps) > self._limits.nesting:
            words = f"groups are nested more than {self._limits.nesting} deep"
            raise limit_exceeded("nesting", words, needed=2 * self._limits.nesting)
        self._seen.add(address)
        if len(self._seen) > self._limits.objects:
            raise too_many_links(self._limits)
        for key in group.names():
            child = group.group(key)
            if child is None:
                continue
            rest = self._take_arrays(child, stored) if key == _VARS else []
            if key != _VARS or any(child.group(inner) for inner in rest):  # or an attribute called `vars`
                inner_steps = (*steps, *key.split("\\"))  # Windows joined the steps with backslashes
                self.visit(child, self._get_or_add(inner_steps, child.address), inner_steps)

    def _take_arrays(self, group: Group, stored: VariableGroup) -> list[str]:
        """Add the arrays of `group` to `stored`, and return the names of everything else in it."""
        rest = []
        stored.is_layer = True
        stored.name = group.text("name") or stored.name
        for key in group.names():
            tensor = group.tensor(key, opaque_is_bfloat16=self._opaque_is_bfloat16)
            if tensor is None:
                rest.append(key)
                continue
            if tensor.dtype == "|V2":
                raise CorruptModel(f"{tensor.name} holds two-byte numbers, and the file does not state their type")
            if stored.arrays.setdefault(key, tensor) is not tensor:
                raise CorruptModel(f"{tensor.name} is stored in more than one shard")
            self._tree.size += tensor.size * _item_size(tensor.dtype)
        return rest

    def _get_or_add(self, steps: tuple[str, ...], address: int) -> VariableGroup:
        stored = self._tree
        for depth, step in enumerate(steps, 1):
            path = "/".join(steps[:depth])
            stored = stored.children.setdefault(step, VariableGroup(path, step, (self._number, address)))
        return stored


def require_all_arrays(tree: VariableGroup) -> None:
    """Check that the arrays of every layer in `tree` are numbered without a gap.

    Raises:
        CorruptModel: An array is missing.
    """
    for stored in tree.walk():
        numbers = [int(key) for key in stored.arrays if re.fullmatch(r"[0-9]{1,9}", key)]
        gap = next((place for place, number in enumerate(numbers) if place != number), None)
        if gap is not None:
            raise CorruptModel(f"{stored.path}/{_VARS} holds arrays up to number {numbers[-1]}, but not number {gap}")


def find_numbered(container: VariableGroup, word: str) -> list[tuple[int, VariableGroup]]:
    """Return the children of `container` named `word`, a class name in snake case, with their numbers, in order."""
    pattern = re.compile(re.escape(word) + r"(?:_([0-9]{1,9}))?")
    found = ((pattern.fullmatch(key), child) for key, child in container.children.items())
    return sorted(((int(key[1] or 0), child) for key, child in found if key), key=lambda one: one[0])


def _item_size(dtype: str) -> int:
    """Return the size in bytes of one number of type `dtype`, whose name ends with the size in bits."""
    bits = re.search(r"\d+$", dtype)
    return int(bits[0]) // 8 if bits else 1


def _sort_key(key: str) -> tuple[int, int, str]:
    return (0, int(key), key) if re.fullmatch(r"[0-9]{1,9}", key) else (1, 0, key)


def _drop_other_groups(stored: VariableGroup, *, at_root: bool) -> None:
    """Remove from `stored` the groups that hold no parameters of the model."""
    if "forward_layer" in stored.children and "backward_layer" in stored.children:
        stored.children.pop("layer", None)  # the layer that a Bidirectional of Keras 2 copied twice
    for key, child in list(stored.children.items()):
        if (at_root and key in _NO_LAYERS) or _is_training_state(key, child.arrays):
            del stored.children[key]
        else:
            _drop_other_groups(child, at_root=False)


def _is_training_state(key: str, arrays: Mapping[str, Tensor]) -> bool:
    """Return whether the group `key` with these `arrays` is the state of a seed, an optimizer or a metric."""
    first = next(iter(arrays.values()), None)
    if first is None:
        return False
    counts = first.dtype in _NUMBERS
    seed = counts and len(arrays) == 1 and first.shape == (2,)
    scalars = [tensor.shape == () for tensor in list(arrays.values())[:2]]  # steps, and since Keras 3 the rate
    optimizer = counts and scalars[0] and (scalars == [True, True] or re.fullmatch(_OPTIMIZER, key) is not None)
    metric = all(math.prod(tensor.shape) == 1 for tensor in arrays.values()) and re.fullmatch(_METRIC, key) is not None
    return seed or optimizer or metric
