"""The types of the public names, as the type checkers of users see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lstmdump

SCRIPT = Path(__file__).parent / "typed_script.py"
PACKAGE = Path(lstmdump.__file__).parent
MISTAKE = "import lstmdump\nlstmdump.open('m.h5')['lstm_1'].trace('x.npy').d\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the script and a script with a mistake, beside a link to the package."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "lstmdump").symlink_to(PACKAGE)
    (folder / "script.py").write_text(SCRIPT.read_text("utf-8"), "utf-8")
    (folder / "mistake.py").write_text(MISTAKE, "utf-8")
    return folder


def run_module(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def run_mypy(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy")
    # As for an installed package, what is in the package itself is not reported.
    return run_module(folder, "mypy", "--strict", "--follow-imports=silent", "--cache-dir=cache", script)


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.oracle
def test_a_script_of_a_user_passes_mypy(folder: Path) -> None:
    checked = run_mypy(folder, "script.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.oracle
def test_a_mistake_of_a_user_fails_mypy(folder: Path) -> None:
    assert '"LayerStates" has no attribute "d"' in run_mypy(folder, "mistake.py").stdout


@pytest.mark.oracle
def test_a_script_of_a_user_passes_pyright(folder: Path) -> None:
    pytest.importorskip("pyright")
    if run_module(folder, "pyright", "--version").returncode:
        pytest.skip("pyright itself, which its package downloads, cannot be had")
    checked = run_module(folder, "pyright", "--pythonpath", sys.executable, "script.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr
