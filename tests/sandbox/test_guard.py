from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest
from support import builders
from support.jobs import format_of, process_of, process_reading, process_reading_both

from lstmdump.errors import RefusedModel, UnknownFormat, UnreadableModel, WorkerDied
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.detect import Format
from lstmdump.readers.hdf5.plain import file as plain_file
from lstmdump.readers.keras.weights_h5 import container, zip_container
from lstmdump.sandbox import fork, jail
from lstmdump.sandbox import guard as sandbox_guard
from lstmdump.sandbox.guard import Guard, ModelPath

pytestmark = pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")

SHOWN = """
import sys
from lstmdump import cli
status = cli.run(sys.argv[1:])
sys.exit(status or int("h5py" in sys.modules))
"""


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard() as made:
        yield made


OF_HDF5 = ["keras-2.2.0-weather.h5", "keras-3.15-every-format/model.keras", "keras-3.15-every-format/model.weights.h5",
           "keras-3.15-every-format/unzipped"]  # fmt: skip
OF_NONE = ["keras-3.15-every-format/saved_model", "keras-3.15-every-format/checkpoint", "tf-1.12-basic-lstm-cell"]


@pytest.fixture
def not_plain(tmp_path: Path) -> str:
    """A model with a link that Keras does not write."""
    path = builders.write(tmp_path / "x.h5", {"lstm": builders.keras_2_weights("lstm")})
    builders.change(path, lambda file: file.__setitem__("lstm/soft", h5py.SoftLink("/lstm")))
    return str(path)


@pytest.mark.parametrize("name", OF_HDF5)
def test_a_plain_hdf5_file_is_read_in_this_process(guard: Guard, samples: Path, name: str) -> None:
    assert guard.run(process_reading, ModelPath(str(samples / name))) == os.getpid()
    assert guard._workers == {}


def test_another_hdf5_file_is_read_in_a_worker_process(guard: Guard, not_plain: str) -> None:
    assert guard.run(process_reading, ModelPath(not_plain)) != os.getpid()


def test_a_model_among_the_arguments_is_guarded_as_the_first_one_is(
    guard: Guard, samples: Path, not_plain: str
) -> None:
    without_hdf5 = ModelPath(str(samples / "tf-1.12-basic-lstm-cell"))
    assert guard.run(process_reading_both, without_hdf5, ModelPath(not_plain)) != os.getpid()


def test_a_plain_file_of_unusual_size_is_read_in_a_worker_process(
    guard: Guard, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_file, "MOST_OBJECTS", 5)
    assert guard.run(process_reading, ModelPath(str(samples / OF_HDF5[0]))) != os.getpid()


@pytest.mark.parametrize("name", OF_HDF5)
def test_the_architecture_of_unusual_size_is_read_in_a_worker_process(
    guard: Guard, samples: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (plain_file, container, zip_container):
        monkeypatch.setattr(module, "MOST_TEXT", 100)
    other = name.endswith(".weights.h5")  # which has none
    assert (guard.run(process_reading, ModelPath(str(samples / name))) == os.getpid()) is other


@pytest.mark.parametrize("name", OF_NONE)
def test_a_file_without_hdf5_is_read_in_this_process(guard: Guard, samples: Path, name: str) -> None:
    assert guard.run(process_of, ModelPath(str(samples / name))) == os.getpid()


def test_a_url_is_read_in_a_worker_process(guard: Guard) -> None:
    assert guard.run(process_of, ModelPath("https://example.com/model")) != os.getpid()


def test_all_models_of_a_run_are_read_in_one_process(guard: Guard, not_plain: str) -> None:
    assert len({guard.run(process_reading, ModelPath(not_plain)) for _ in range(3)}) == 1


def test_without_fork_a_file_is_read_in_this_process(not_plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork, "HAS_FORK", False)
    with Guard() as guard:
        assert guard.run(process_reading, ModelPath(not_plain)) == os.getpid()


@pytest.mark.parametrize(("name", "error"), [("samples.json", UnknownFormat), ("nothing", UnreadableModel)])
def test_a_path_that_is_not_a_model_starts_no_process(
    guard: Guard, samples: Path, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        guard.run(process_of, ModelPath(str(samples / name)))
    assert guard._workers == {}


@pytest.mark.parametrize("words", [["show"], ["show", "--stats"], ["check", "--params", "240"]], ids=" ".join)
def test_h5py_is_not_imported_in_the_main_process(samples: Path, words: list[str]) -> None:
    command = [sys.executable, "-c", SHOWN, *words, str(samples / OF_HDF5[0])]
    assert subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).returncode == 0


def test_an_exception_ends_the_worker_process(not_plain: str) -> None:
    with pytest.raises(KeyboardInterrupt), Guard() as guard:
        guard.run(process_reading, ModelPath(not_plain))
        raise KeyboardInterrupt
    (worker,) = guard._workers.values()
    assert worker._process is not None
    assert worker._process.exitcode is not None


def test_the_limits_apply_to_the_detection_of_the_format(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for number in range(4000):  # a directory longer than what is read in any case
            archive.writestr(f"{number}", b"")
    model = ModelPath(str(tmp_path / "model.keras"), DEFAULTS._replace(objects=2))
    with Guard() as guard, pytest.raises(RefusedModel, match="--limit objects="):
        guard.run(process_of, model)


@pytest.mark.parametrize(
    ("name", "expected"), [(OF_HDF5[0], Format.HDF5), (OF_HDF5[1], Format.KERAS_ZIP), (OF_NONE[1], Format.CHECKPOINT)]
)
def test_the_format_is_detected_once_and_passed_on(
    guard: Guard, samples: Path, name: str, expected: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelPath(str(samples / name)).detected()
    monkeypatch.setattr(sandbox_guard, "detect", None)
    assert guard.run(format_of, model) is expected


def test_the_format_at_a_url_is_left_to_the_process_that_reads_it(guard: Guard) -> None:
    assert guard.run(format_of, ModelPath("https://example.com/model")) is None


@pytest.mark.parametrize("name", ["tf-1.12-basic-lstm-cell-checkpoint/model.ckpt.index", "tf-1.12-basic-lstm-cell"])
def test_require_has_every_model_read_in_a_confined_process(
    guard: Guard, samples: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert guard.run(process_of, ModelPath(str(samples / name))) == os.getpid()
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "require")
    monkeypatch.setattr(jail, "enter", lambda _box: "")
    assert guard.run(process_of, ModelPath(str(samples / name))) != os.getpid()


def test_require_is_an_error_without_fork(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "require")
    monkeypatch.setattr(fork, "HAS_FORK", False)
    with Guard() as guard, pytest.raises(WorkerDied, match="LSTMDUMP_SANDBOX=require confines"):
        guard.run(process_of, ModelPath(str(samples / OF_HDF5[0])))


def test_a_mistyped_setting_is_an_error_for_every_model(
    guard: Guard, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "on")
    with pytest.raises(WorkerDied, match="it may be require or off"):
        guard.run(process_of, ModelPath(str(samples / "tf-1.12-basic-lstm-cell-checkpoint/model.ckpt.index")))


def test_a_server_that_does_not_answer_is_reported_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.model.remote.http_requests.SILENCE", 1)
    monkeypatch.setattr("lstmdump.sandbox.worker._TICK", 0.1)
    told: list[tuple[str, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/m.h5"
        with (
            Guard(waiting=lambda path, seconds: told.append((path, seconds))) as guard,
            pytest.raises(UnreadableModel, match="has not answered for 1 s"),
        ):
            guard.run(process_reading, ModelPath(url))
    assert (url, 5) in told  # of the ten ticks in the second; importing what reads URLs takes some
