"""All links below a group of an HDF5 file, looked up at once.

For a model of a thousand layers, a call of h5py for each link takes longer than everything else.
"""

from __future__ import annotations

import h5py

from lstmdump.model.limits import Limits
from lstmdump.readers.hdf5.groups import too_many_links
from lstmdump.readers.hdf5.library.calls import FOREIGN_ERRORS, H5pyCall

_MAX_DEPTH = 100  # steps; HDF5 recurses in C, where no exception prevents a stack overflow


class Links:
    """The links below a group, by path from the group; each is a hard link, and no two lead to the same object.

    Attributes:
        addresses: the addresses of the objects in the file.
        names: the names of the members of each group, in the order of the file.
        complete: whether these are all links.
        too_many: whether the limit was exceeded.
    """

    __slots__ = ("_distinct", "_most", "addresses", "complete", "names", "too_many")

    def __init__(self, address: int, most: int) -> None:
        """Start without links, below the group at `address`; at most `most` can be added."""
        self._most = most
        self.too_many = False
        self.addresses: dict[bytes, int] = {}
        self.names: dict[bytes, list[bytes]] = {}
        self.complete = True
        self._distinct = {address}

    def take(self, path: bytes, link: h5py.h5l.LinkInfo) -> bool | None:
        """Add the link at `path`; return True to end the visit if the links cannot all be collected in this way.

        HDF5 visits each object once, so members of an object with a second link would be missing below that link. And
        a name that contains a slash would look like the path to another object.
        """
        outer, _, name = path.rpartition(b"/")
        address = int(link.u) if link.type == h5py.h5l.TYPE_HARD else None
        if (
            address is None
            or address in self._distinct
            or path in self.addresses
            or (outer and outer not in self.addresses)
            or path.count(b"/") == _MAX_DEPTH
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
    """Return all links below `group`, or None if they cannot be collected and each has to be looked up when needed.

    Raises:
        RefusedModel: There are more links than `limits` allows.
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
