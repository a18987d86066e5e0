"""What `torch.save` and `torch.jit.save` write."""

from __future__ import annotations

from lstmdump.errors import UnsupportedFormat
from lstmdump.model.location import Location
from lstmdump.model.tree import Model


def read(location: Location) -> Model:
    """Return the model at `location`."""
    raise UnsupportedFormat(f"{location.name} is a PyTorch file, which this version does not read")
