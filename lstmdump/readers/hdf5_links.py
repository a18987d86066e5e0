"""All links below a group of an HDF5 file, looked up at once where there are not too many.

A call of h5py for each takes longer than all the rest, in a model of a thousand layers.
"""

from __future__ import annotations

import h5py

from lstmdump.readers.hdf5_calls import FOREIGN_ERRORS, Call

_MOST = 200_000  # links; a model of a thousand layers has 6,000
_DEEPEST = 100  # steps; HDF5 goes down in C, where no exception ends a stack that is too deep


class Links:
    """The links below a group by their paths from it. Each is hard, and leads to an object of its own.

    Attributes:
        addresses: where the objects stand in the file.
        names: what lies in a group, by the group's path, in the file's order.
        trusted: whether these are all.
    """

    __slots__ = ("_distinct", "addresses", "names", "trusted")

    def __init__(self, address: int) -> None:
        """None yet, below the group at that ADDRESS."""
        self.addresses: dict[bytes, int] = {}
        self.names: dict[bytes, list[bytes]] = {}
        self.trusted = True
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
            or len(self.addresses) == _MOST
            or path.count(b"/") == _DEEPEST
        ):
            self.trusted = False
            return True
        self.addresses[path] = address
        self._distinct.add(address)
        self.names.setdefault(outer, []).append(name)
        return None


def below(group: h5py.h5g.GroupID) -> Links | None:
    """All links below GROUP; None where each is to be looked up when needed, as they are too many or not plain."""
    with Call():
        try:
            links = Links(int(h5py.h5o.get_info(group).addr))
            group.links.visit(links.take, info=True)
        except FOREIGN_ERRORS:
            return None
    return links if links.trusted else None
