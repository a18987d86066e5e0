"""What a confined process can and cannot do, tried from within it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import attacks

from lstmdump.errors import WorkerDied
from lstmdump.sandbox import fork, jail
from lstmdump.sandbox.guard import make_box
from lstmdump.sandbox.worker import Box, Worker


def landlock_version() -> int:
    with suppress(OSError, jail._CannotConfine, AttributeError):
        return jail._call("Landlock", jail._CREATE_RULESET, None, 0, jail._VERSION)
    return 0


HAS_SECCOMP = Path("/proc/sys/kernel/seccomp/actions_avail").exists() and os.uname().machine in jail._ARCHITECTURES
pytestmark = pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
needs_landlock = pytest.mark.skipif(landlock_version() < 1, reason="the kernel has no Landlock")
needs_scopes = pytest.mark.skipif(landlock_version() < 6, reason="the kernel has no Landlock of version 6")
needs_seccomp = pytest.mark.skipif(not HAS_SECCOMP, reason="the kernel has no seccomp, or is of another architecture")


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    place = tmp_path / "outputs"
    place.mkdir()
    return place


@pytest.fixture
def confined(outputs: Path) -> Iterator[Worker]:
    """A worker that may write outputs."""
    made = Worker("numpy", box=Box((str(outputs),)))
    yield made
    made.dismiss()


@pytest.fixture
def reader() -> Iterator[Worker]:
    """A worker that may write nothing."""
    made = Worker(box=Box())
    yield made
    made.dismiss()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory with a model and others files, beside a secret."""
    (tmp_path / "models" / "beside").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    for name in ("model.h5", "model.json", "model.h5.key", "beside/x"):
        (tmp_path / "models" / name).write_text("text")
    return tmp_path / "models"


@pytest.fixture
def narrow(models: Path, outputs: Path) -> Iterator[Worker]:
    """A worker that may read one model, and write outputs."""
    made = Worker(box=make_box((str(outputs),), [str(models / "model.h5")]))
    yield made
    made.dismiss()


@pytest.fixture
def networked() -> Iterator[Worker]:
    made = Worker(box=Box(network=True))
    yield made
    made.dismiss()


@needs_landlock
@needs_seccomp
def test_nothing_is_lacking_on_this_system(reader: Worker) -> None:
    """Where both are there, all of the box is in force: a part that fails would pass unnoticed."""
    assert reader.do(attacks.lacking, Box()) == ""


def test_a_confined_process_reads_and_answers(reader: Worker, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("text")
    assert reader.do(attacks.read, str(tmp_path / "x")) == "text"
    assert reader.do(attacks.product, 3) == 18.0
    assert reader.do(attacks.threaded, 4) == 4


@needs_landlock
@pytest.mark.parametrize("attack", [
    attacks.write, attacks.append, attacks.make_directory, attacks.link_to_itself, attacks.make_fifo, attacks.make_socket,
])  # fmt: skip
def test_nothing_is_written_outside_of_the_outputs(confined: Worker, tmp_path: Path, attack: attacks.Attack) -> None:
    place = tmp_path / "beside"
    assert confined.do(attack, str(place)) in ("EACCES", "EPERM")
    assert not os.path.lexists(place)


@needs_landlock
@pytest.mark.parametrize("attack", [
    attacks.write, attacks.append, attacks.cut, attacks.remove, attacks.rename, attacks.change_mode, attacks.touch,
    attacks.mark,
])  # fmt: skip
def test_a_file_beside_the_outputs_stays_as_it_is(confined: Worker, tmp_path: Path, attack: attacks.Attack) -> None:
    place = tmp_path / "model.h5"
    place.write_text("numbers")
    before = place.stat()
    assert confined.do(attack, str(place)) in ("EACCES", "EPERM", "EXDEV", "ENOTSUP")
    after = place.stat()
    assert place.read_text() == "numbers"
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, before.st_nlink)


@needs_landlock
def test_outputs_are_written(confined: Worker, outputs: Path) -> None:
    assert confined.do(attacks.write, str(outputs / "new")) == ""
    assert confined.do(attacks.make_directory, str(outputs / "below")) == ""
    assert confined.do(attacks.write, str(outputs / "below" / "new")) == ""
    assert confined.do(attacks.rename, str(outputs / "new")) == ""


@needs_landlock
def test_no_secret_is_linked_into_the_outputs(confined: Worker, tmp_path: Path, outputs: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert confined.do(attacks.link, str(tmp_path / "secret"), str(outputs / "open")) in ("EXDEV", "EACCES")


@needs_landlock
def test_an_output_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    worker = Worker(box=Box((str(tmp_path / "a" / "b"),)))
    assert worker.do(attacks.make_directory, str(tmp_path / "a")) == ""
    worker.dismiss()


@needs_landlock
def test_a_process_that_writes_nothing_writes_nothing(reader: Worker, tmp_path: Path) -> None:
    assert reader.do(attacks.write, str(tmp_path / "x")) == "EACCES"
    assert reader.do(attacks.write, os.devnull) == ""


@needs_landlock
def test_a_temporary_file_was_opened_beforehand(reader: Worker) -> None:
    """Three times one after the other, and three at once, of which one is in memory."""
    assert reader.do(attacks.use_scratch, 3, at_once=False) == [7, 7, 7]
    assert reader.do(attacks.use_scratch, 3, at_once=True) == [7, 7, 7]


@needs_seccomp
@pytest.mark.parametrize("attack", [
    attacks.run_shell, attacks.spawn, attacks.connect_tcp, attacks.send_udp, attacks.connect_unix, attacks.bind_tcp,
    attacks.trace_parent, attacks.read_memory_of_parent, attacks.open_pidfd, attacks.new_namespace, attacks.mount,
    attacks.ring, attacks.load_bpf, attacks.watch_performance, attacks.handle_faults, attacks.read_keys,
    attacks.make_memory_file, attacks.limit_parent, attacks.type_into_terminal, attacks.fork_into_namespace,
    attacks.own_group, attacks.open_handle, attacks.open_queue, attacks.control_memory, attacks.own_pipe,
    attacks.choose_signal, attacks.move_to_processor, attacks.mark_file,
])  # fmt: skip
def test_calls_fail_that_reach_beyond_the_process(reader: Worker, attack: attacks.Attack) -> None:
    assert reader.do(attack, "") == "EPERM"


@needs_landlock
@pytest.mark.parametrize("name", ["beside", "beside/x", "model.h5.key", "../secret"])
def test_a_process_that_reads_a_model_reads_nothing_beside(narrow: Worker, models: Path, name: str) -> None:
    assert narrow.do(attacks.read_start, str(models / name)) == "EACCES"
    assert narrow.do(attacks.read_start, str(models / "model.h5")) == ""
    assert narrow.do(attacks.read_start, str(models / "model.json")) == ""


@needs_landlock
@pytest.mark.parametrize("place", ["/etc/passwd", "/root", "/home", "/proc/1/status", "/"])
def test_a_process_that_reads_a_model_reads_nothing_of_the_system(narrow: Worker, place: str) -> None:
    if Path(place).exists():
        assert narrow.do(attacks.list_or_read, place) in ("EACCES", "EPERM")


@needs_landlock
def test_a_process_that_reads_a_model_still_imports_and_writes(narrow: Worker, outputs: Path) -> None:
    assert narrow.do(attacks.import_late, "h5py") > 0
    assert narrow.do(attacks.import_late, "zoneinfo") > 0
    assert narrow.do(attacks.write, str(outputs / "new")) == ""
    assert narrow.do(attacks.read, str(outputs / "new")) == "x"


@needs_landlock
@pytest.mark.parametrize("name", ["saved", "ckpt", "ckpt.index"])
def test_all_files_in_the_directory_of_a_model_of_several_files_are_read(name: str, models: Path) -> None:
    (models / "saved" / "variables").mkdir(parents=True)
    for part in ("saved/saved_model.pb", "saved/variables/variables.index", "ckpt.index", "ckpt.data-00000-of-00001"):
        (models / part).write_text("text")
    worker = Worker(box=make_box((), [str(models / name)]))
    below = models / "saved/variables/variables.index" if name == "saved" else models / "ckpt.data-00000-of-00001"
    assert worker.do(attacks.read, str(below)) == "text"
    assert worker.do(attacks.read_start, str(models / "../secret")) == "EACCES"
    worker.dismiss()


@needs_landlock
def test_a_model_in_the_store_of_a_hub_is_read_by_its_link(tmp_path: Path) -> None:
    hub = tmp_path / "models--a--b"
    (hub / "snapshots" / "0123").mkdir(parents=True)
    (hub / "blobs").mkdir()
    (hub / "blobs" / "89ab").write_text("text")
    (hub / "snapshots" / "0123" / "m.h5").symlink_to("../../blobs/89ab")
    (tmp_path / "secret").write_text("secret")
    for model in (hub / "snapshots" / "0123" / "m.h5", hub / "snapshots" / "0123"):
        worker = Worker(box=make_box((), [str(model)]))
        assert worker.do(attacks.read, str(hub / "snapshots" / "0123" / "m.h5")) == "text"
        assert worker.do(attacks.read_start, str(tmp_path / "secret")) == "EACCES"
        worker.dismiss()


def test_models_in_many_directories_are_not_listed(tmp_path: Path) -> None:
    models = [str(tmp_path / str(number) / "m.index") for number in range(100)]
    assert make_box((), models).reads is None
    assert make_box((), models[:3]).reads is not None
    assert make_box((), []).reads is None
    assert make_box((), models[:3], network=True).reads is None


def test_many_models_in_one_directory_are_read_by_that(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.h5").write_text("")
    assert make_box((), [str(tmp_path / f"{number}.h5") for number in range(100)]).reads == (str(tmp_path),)


@needs_seccomp
def test_an_unknown_form_of_clone_is_not_there(reader: Worker) -> None:
    """Its flags are in memory, which a filter cannot read; libraries then use the older call."""
    assert reader.do(attacks.clone_3, "") == "ENOSYS"


@needs_scopes
def test_no_signal_reaches_the_parent(networked: Worker) -> None:
    assert networked.do(attacks.signal_parent, "") == "EPERM"


@needs_seccomp
def test_the_parent_gets_no_signal_without_landlock(reader: Worker) -> None:
    assert reader.do(attacks.signal_parent, "") == "EPERM"


@needs_landlock
@pytest.mark.parametrize("name", ["mem", "environ", "maps", "fd/0"])
def test_the_parent_cannot_be_read(reader: Worker, name: str) -> None:
    assert reader.do(attacks.read_start, f"/proc/{os.getpid()}/{name}") in ("EACCES", "EPERM")


@needs_seccomp
def test_a_process_for_urls_has_the_network(networked: Worker) -> None:
    assert networked.do(attacks.send_udp, "") == ""
    assert networked.do(attacks.make_memory_file, "") == "EPERM"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
def test_files_that_the_parent_has_open_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with (tmp_path / "secret").open() as secret:
        worker = Worker(box=Box())
        assert worker.do(attacks.read_descriptor, secret.fileno()) == ""
        worker.dismiss()
        assert secret.read() == "secret"


@needs_landlock
def test_off_confines_nothing(reader: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "off")
    assert reader.do(attacks.write, str(tmp_path / "x")) == ""


def test_without_the_kernel_all_goes_on(reader: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "_CREATE_RULESET", 10_000)
    assert reader.do(attacks.product, 3) == 18.0


def test_require_refuses_where_the_kernel_lacks_something(reader: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "require")
    monkeypatch.setattr(jail, "_CREATE_RULESET", 10_000)
    with pytest.raises(WorkerDied, match=r"cannot be confined \(.*Landlock: .*\), but LSTMDUMP_SANDBOX=require"):
        reader.do(attacks.product, 3)


@needs_landlock
@needs_seccomp
def test_require_confines_where_the_kernel_can(reader: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "require")
    assert reader.do(attacks.product, 3) == 18.0


def test_a_mistyped_value_is_an_error(reader: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMDUMP_SANDBOX", "requrie")
    with pytest.raises(WorkerDied, match="LSTMDUMP_SANDBOX is 'requrie'; it may be require or off"):
        reader.do(attacks.product, 3)


@pytest.mark.skipif(not hasattr(os, "uname"), reason="the system is not POSIX")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("box", [Box(), Box(("x",)), Box(network=True)])
def test_the_filter_is_valid_on_each_architecture(monkeypatch: pytest.MonkeyPatch, machine: str, box: Box) -> None:
    """Jumps of a filter go forward, by at most 255, and stay within it; it ends with a return."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", "6.18", "", machine)))
    program = jail._compile(box)
    for index, (code, yes, no, operand) in enumerate(program):
        assert struct.pack("<HBBI", code, yes, no, operand)
        assert index + 1 + max(yes, no) < len(program) + (code == jail._RETURN)
    assert program[-1][0] == jail._RETURN


@pytest.mark.skipif(not Path("/usr/include/asm-generic/unistd.h").exists(), reason="the headers are not installed")
@pytest.mark.parametrize(("column", "header"), [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")])
def test_the_numbers_are_those_of_the_kernel(column: int, header: str) -> None:
    file = Path("/usr/include") / header
    if not file.exists():
        pytest.skip("the headers are of another architecture")
    words = [line.split() for line in file.read_text().splitlines() if line.startswith("#define __NR")]
    stated = {name.removeprefix("__NR_").removeprefix("__NR3264_"): int(value) for _, name, value, *_ in
              (one for one in words if len(one) > 2) if value.isdigit()}  # fmt: skip
    tables = (jail._FORBIDDEN, jail._FORBIDDEN_WITHOUT_NETWORK, jail._FORBIDDEN_WITHOUT_OUTPUT, jail._OTHERS)
    known = {name: numbers[column] for table in tables for name, numbers in table.items()}
    newer = {
        "fchmodat2",
        "setxattrat",
        "removexattrat",
        "open_tree_attr",
        "statmount",
        "listmount",
        "file_setattr",
    }  # than the headers may be
    assert {name: number for name, number in known.items() if name not in newer} == {
        name: stated.get(name) for name in known if name not in newer
    }
