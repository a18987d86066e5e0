"""Run `python tests/benchmarks`: see `command`."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    sys.exit("benchmarks: the resources used by a process can be measured on Linux and macOS only")

sys.path.insert(0, str(Path(__file__).parents[1]))  # the builders of the tests write the inputs

from benchmarks import command

try:
    sys.exit(command.main())
except KeyboardInterrupt:
    sys.exit(130)
