"""Description of the machine, and how idle it is."""

from __future__ import annotations

import filecmp
import importlib.util
import os
import platform
import resource
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from benchmarks.measuring import counting_words
from benchmarks.workspace import ROOT

_PACKAGES = ("lstmdump", "click", "crc32c", "h5py", "isal", "numpy", "rich")
_PEERS = ("keras", "tf-keras", "tensorflow", "h5glance")


def describe(folder: Path) -> str:
    """Return date, machine, versions, and the directory of the files."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} × {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    versions = ", ".join(f"{name} {version}" for name in (*_PACKAGES, *_PEERS) if (version := _version(name)))
    return f"{time.strftime('%Y-%m-%d')}, {machine}, Python {platform.python_version()}, {versions}; files in {folder.parent}"


def is_stale() -> bool:
    """Return whether the installed lstmdump, which is measured, differs from this checkout."""
    found = importlib.util.find_spec("lstmdump")
    if found is None or found.origin is None:
        return True
    here, there = ROOT / "lstmdump", Path(found.origin).parent
    names = [str(path.relative_to(here)) for path in here.rglob("*.py")]
    same, _, _ = filecmp.cmpfiles(here, there, names, shallow=False)
    return len(same) < len(names)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def word_of_start_up() -> str:
    """Return what is compared in figures of the start-up: instructions if they can be counted, else CPU time."""
    return "Instructions" if counting_words() else "CPU"


class Idleness:
    """A measurement of the machine's time that other processes use."""

    def __init__(self) -> None:
        self._busy, self._ours, self._started = _busy(), _ours(), time.monotonic()

    def others(self) -> float | None:
        """Return the share, 0 to 1, of the machine's time that other processes used since the start; None if unknown."""
        now = _busy()
        if now is None or self._busy is None:
            return None
        theirs = now - self._busy - (_ours() - self._ours)
        return max(0.0, theirs / ((time.monotonic() - self._started) * (os.cpu_count() or 1)))


def _busy() -> float | None:
    """Return the seconds that all CPUs together were busy, or were used by the host of a virtual machine."""
    try:
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *rest = (int(field) for field in fields[1:9])
    return float(user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    """Return the CPU seconds of this process and its ended children."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, who))
