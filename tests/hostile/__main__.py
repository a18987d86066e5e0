"""Run `python tests/hostile`: see `command`."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    sys.exit("hostile: the files are tried in forked processes, which this system does not support")

sys.path[0] = str(Path(__file__).parents[1])  # the builders of the tests write the files

from hostile import command  # noqa: E402 - from there

try:
    sys.exit(command.main())
except KeyboardInterrupt:
    sys.exit(130)
