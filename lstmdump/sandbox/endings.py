"""How a process ended, in words."""

from __future__ import annotations

import signal
from contextlib import suppress


def ending(status: int) -> str:
    """STATUS, as `subprocess` and `multiprocessing` have it, in words: `signal 6, SIGABRT`, `exit status 1`."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"
