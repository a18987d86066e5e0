"""HDF5 files that are not plain, read by the HDF5 library through h5py, which no other package imports.

The library takes drivers, connectors and plugins out of the environment, which may crash it, or read other bytes than
those of the file. So it is loaded without them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_KEPT = ("HDF5_USE_FILE_LOCKING", "HDF5_DISABLE_VERSION_CHECK")  # for network disks, and for two versions side by side


@contextmanager
def _without_settings() -> Iterator[None]:
    """Hide the settings of the HDF5 library in the block, in which it looks for them once."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("HDF5_") and name not in _KEPT}
    try:
        yield
    finally:
        os.environ.update(hidden)


with _without_settings():
    import h5py  # noqa: F401
