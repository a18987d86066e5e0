"""Run `python tests/hostile/fuzz`: see `command`."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    sys.exit("fuzz: atheris runs on Linux and macOS only")

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parents[2]))  # the builders of the tests write some of the seeds

from hostile.fuzz import command

sys.exit(command.main())
