"""Jobs that try what a process might that somebody has taken over. Each returns the name of the error, or an empty text."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path

import numpy as np

from lstmdump.model import scratch
from lstmdump.sandbox import jail
from lstmdump.sandbox.worker import Box

Attack = Callable[[str], str]


def attack(tried: Callable[..., object]) -> Callable[..., str]:
    @wraps(tried)
    def run(*arguments: object) -> str:
        try:
            tried(*arguments)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
        return ""

    return run


def call(x86: int, arm: int, *arguments: object) -> None:
    """Make a system call, by its number on each architecture."""
    number = x86 if os.uname().machine == "x86_64" else arm
    if ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


# --- files ---


def read(path: str) -> str:
    return Path(path).read_text()


@attack
def read_start(path: str) -> None:
    with Path(path).open("rb") as file:
        file.read(10)


@attack
def list_or_read(path: str) -> None:
    if Path(path).is_dir():
        list(Path(path).iterdir())
    else:
        Path(path).read_bytes()


def import_late(module: str) -> int:
    return len(dir(importlib.import_module(module)))


def read_descriptor(number: int) -> str:
    return os.read(number, 100).decode()


@attack
def write(path: str) -> None:
    Path(path).write_text("x")


@attack
def append(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), b"x")


@attack
def cut(path: str) -> None:
    os.truncate(path, 0)


@attack
def remove(path: str) -> None:
    Path(path).unlink()


@attack
def rename(path: str) -> None:
    Path(path).rename(f"{path}.moved")


@attack
def link(source: str, target: str) -> None:
    os.link(source, target)


@attack
def link_to_itself(path: str) -> None:
    Path(path).symlink_to("/etc/passwd")


@attack
def make_directory(path: str) -> None:
    Path(path).mkdir()


@attack
def make_fifo(path: str) -> None:
    os.mkfifo(path)


@attack
def make_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


@attack
def change_mode(path: str) -> None:
    Path(path).chmod(0o777)


@attack
def touch(path: str) -> None:
    os.utime(path, (1, 1))


@attack
def mark(path: str) -> None:
    os.setxattr(path, "user.marked", b"x")


def use_scratch(times: int, *, at_once: bool) -> list[int]:
    """Write 7 bytes to each of several temporary files, and return how many each holds."""
    found = []
    with ExitStack() as stack:
        for _ in range(times):
            file = scratch.open_scratch()
            stack.callback(file.close)
            file.write(b"numbers")
            file.seek(0)
            found.append(len(file.read()))
            if not at_once:
                file.close()
    return found


# --- other processes, and the network ---


@attack
def run_shell(_: str) -> None:
    os.execv("/bin/sh", ["sh", "-c", "true"])  # noqa: S606


@attack
def spawn(_: str) -> None:
    subprocess.run(["/bin/true"], check=True)


@attack
def connect_tcp(_: str) -> None:
    with socket.socket() as made:
        made.connect(("127.0.0.1", 9))


@attack
def bind_tcp(_: str) -> None:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))


@attack
def send_udp(_: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"x", ("127.0.0.1", 9))


@attack
def connect_unix(_: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect("\0lstmdump")


@attack
def signal_parent(_: str) -> None:
    os.kill(os.getppid(), signal.SIGCONT)


@attack
def own_group(_: str) -> None:
    os.kill(0, signal.SIGCONT)


@attack
def trace_parent(_: str) -> None:
    call(101, 117, 16, os.getppid(), 0, 0)


@attack
def read_memory_of_parent(_: str) -> None:
    call(310, 270, os.getppid(), 0, 0, 0, 0, 0)


@attack
def open_pidfd(_: str) -> None:
    call(434, 434, os.getppid(), 0)


@attack
def limit_parent(_: str) -> None:
    call(302, 261, os.getppid(), 7, 0, 0)


@attack
def type_into_terminal(_: str) -> None:
    call(16, 29, 0, ctypes.c_ulong(0x5412), ctypes.c_char_p(b"x"))


# --- the kernel ---


@attack
def new_namespace(_: str) -> None:
    call(272, 97, 0x10000000)


@attack
def fork_into_namespace(_: str) -> None:
    call(56, 220, ctypes.c_ulong(0x10000000 | signal.SIGCHLD), 0, 0, 0, 0)


@attack
def clone_3(_: str) -> None:
    call(435, 435, 0, 0)


@attack
def mount(_: str) -> None:
    call(165, 40, b"none", b"/tmp", b"tmpfs", 0, 0)


@attack
def open_handle(_: str) -> None:
    call(304, 265, 0, 0, 0)


@attack
def ring(_: str) -> None:
    call(425, 425, 1, 0)


@attack
def load_bpf(_: str) -> None:
    call(321, 280, 0, 0, 0)


@attack
def watch_performance(_: str) -> None:
    call(298, 241, 0, 0, 0, 0, 0)


@attack
def handle_faults(_: str) -> None:
    call(323, 282, 0)


@attack
def read_keys(_: str) -> None:
    call(250, 219, 0, 0, 0)


@attack
def open_queue(_: str) -> None:
    call(240, 180, b"lstmdump", 0o102, 0o600, 0)


@attack
def control_memory(_: str) -> None:
    call(31, 195, 0, 0, 0)


@attack
def own_pipe(_: str) -> None:
    """Have a signal sent to the parent whenever the pipe can be read."""
    fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())


@attack
def choose_signal(_: str) -> None:
    fcntl.fcntl(os.pipe()[0], 10, signal.SIGKILL)


@attack
def move_to_processor(_: str) -> None:
    os.sched_setaffinity(os.getppid(), {0})


@attack
def mark_file(_: str) -> None:
    """Have a file of the user left out of backups, which opening it for reading is enough for."""
    fcntl.ioctl(os.open("/proc/self/exe", os.O_RDONLY), 0x40086602, bytes(8))


@attack
def make_memory_file(_: str) -> None:
    call(319, 279, b"x", 0)


# --- what must go on working ---


def lacking(box: Box) -> str:
    """Return what the system lacks, within a process that is confined already: both can be narrowed again."""
    return jail.enter(box)


def product(size: int) -> float:
    return float((np.ones((size, size)) @ np.full((size, size), 2.0)).sum() / size)


def threaded(count: int) -> int:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)
