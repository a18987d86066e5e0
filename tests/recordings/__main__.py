"""Run `python tests/recordings DIR`: see `reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from recordings import reproduce

try:
    sys.exit(reproduce.main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
