"""All links below a group of an HDF5 file, looked up at once where there are not too many.

A call of h5py for each takes longer than all the rest, in a model of a thousand layers.
"""

from __future__ import annotations

import h5py

from lstmdump.errors import RefusedModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.readers.hdf5.calls import FOREIGN_ERRORS, H5pyCall

_DEEPEST = 100  # steps; HDF5 goes down in C, where no exception ends a stack that is too deep


class Links:
    """The links below a group by their paths from it. Each is hard, and leads to an object of its own.

    Attributes:
        addresses: where the objects stand in the file.
        names: what lies in a group, by the group's path, in the file's order.
        complete: whether these are all.
        too_many: whether there are more than may be.
    """

    __slots__ = ("_distinct", "_most", "addresses", "complete", "names", "too_many")

    def __init__(self, address: int, most: int) -> None:
        """None yet, and no more than MOST, below the group at that ADDRESS."""
        self._most = most
        self.too_many = False
        self.addresses: dict[bytes, int] = {}
        self.names: dict[bytes, list[bytes]] = {}
        self.complete = True
        self._distinct = {address}

    def take(self, path: bytes, link: h5py.h5l.LinkInfo) -> bool | None:
        """Add the LINK at PATH; True, so that no more come, where not all can be known in this way.

        HDF5 shows what is below an object once: were there another link to it, it would not be shown there. And a name
        may hold slashes itself, so that it looks like the path to something else.
        """
        outer, _, name = path.rpartition(b"/")
        address = int(link.u) if link.type == h5py.h5l.TYPE_HARD else None
        if (
            address is None
            or address in self._distinct
            or path in self.addresses
            or (outer and outer not in self.addresses)
            or path.count(b"/") == _DEEPEST
        ):
            self.complete = False
            return True
        if len(self.addresses) == self._most:
            self.too_many = True
            return True
        self.addresses[path] = address
        self._distinct.add(address)
        self.names.setdefault(outer, []).append(name)
        return None


def find_links_below(group: h5py.h5g.GroupID, limits: Limits) -> Links | None:
    """Return all links below `group`; None where they are not plain, so that each has to be looked up when needed.

    Raises:
        RefusedModel: the links are more than `limits` allows.
    """
    with H5pyCall():
        try:
            links = Links(int(h5py.h5o.get_info(group).addr), limits.objects)
            group.links.visit(links.take, info=True)
        except FOREIGN_ERRORS:
            return None
    if links.too_many:
        raise too_many_links(limits)
    return links if links.complete else None


def too_many_links(limits: Limits) -> RefusedModel:
    """Return the error for a file with more links than `limits` allows."""
    return limit_exceeded("objects", f"HDF5 with more than {limits.objects:,} links", needed=10 * limits.objects)
