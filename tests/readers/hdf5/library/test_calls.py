from __future__ import annotations

import gc
import io
import threading

import h5py
import numpy as np
import pytest

from lstmdump.errors import CorruptModel, ModelClosed
from lstmdump.readers.hdf5.library.calls import H5pyCall
from lstmdump.readers.hdf5.library.file import LibraryFile


class Watched(io.BytesIO):
    """A file that records whether garbage could be collected while it was read."""

    collected = False

    def readinto(self, buffer: object) -> int:
        self.collected |= gc.isenabled()
        return super().readinto(buffer)  # type: ignore[arg-type]


@pytest.fixture
def file() -> Watched:
    """An HDF5 file with a compressed array `x` that has an attribute `names`."""
    watched = Watched()
    with h5py.File(watched, "w") as made:
        made.create_dataset("group/x", data=np.zeros((300, 300), "f4"), chunks=(100, 300), compression="gzip")
        made["group"].attrs["names"] = ["a", "b"]
    watched.collected = False
    return watched


def test_no_garbage_is_collected_while_h5py_holds_its_lock(file: Watched) -> None:
    found = LibraryFile(file)
    group = found.group("group")
    assert group is not None
    assert (group.names(), group.strings("names")) == (["x"], ["a", "b"])
    array = group.tensor("x", opaque_is_bfloat16=False)
    assert array is not None
    assert array.rows is not None
    assert not array.read().any()
    assert sum(len(block) for block in array.rows()) == 4 * 300 * 300
    found.close()
    assert not file.collected


def test_garbage_is_collected_between_calls_and_after_them(file: Watched) -> None:
    found = LibraryFile(file)
    assert gc.isenabled()
    found.close()
    assert gc.isenabled()


def test_garbage_is_collected_after_an_error() -> None:
    with pytest.raises(CorruptModel, match=r"^damaged HDF5: reading x fails \(no\)$"), H5pyCall("reading x"):
        raise OSError("no")
    assert gc.isenabled()


def test_no_garbage_is_collected_until_the_calls_of_two_threads_are_done() -> None:
    seen: list[bool] = []
    entered, done = threading.Event(), threading.Event()

    def call() -> None:
        with H5pyCall():
            entered.set()
            done.wait(10)
            seen.append(gc.isenabled())

    thread = threading.Thread(target=call)
    with H5pyCall():
        thread.start()
        entered.wait(10)
    done.set()
    thread.join()
    assert (seen, gc.isenabled()) == ([False], True)


def test_garbage_collection_that_was_disabled_stays_disabled() -> None:
    gc.disable()
    try:
        with H5pyCall():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [ModelClosed("closed"), KeyboardInterrupt()])
def test_other_exceptions_are_not_converted(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, H5pyCall("reading x"):
        raise error
    assert caught.value is error


def test_exceptions_are_not_converted_without_a_purpose() -> None:
    with pytest.raises(OSError, match=r"^no$"), H5pyCall():
        raise OSError("no")
