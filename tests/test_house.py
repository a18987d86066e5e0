"""What the project promises of itself: its documents are real, its imports are light, its files are what they should be."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lstmdump
from lstmdump.cli import command
from lstmdump.model.limits import LIMITS, Limit, written
from lstmdump.replay.verify import LayerVerdict, ModelVerdict
from lstmdump.report import record
from lstmdump.report.facts import describe
from lstmdump.report.render import verify as render_verify

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SOURCES = sorted((ROOT / "lstmdump").rglob("*.py"))


CUT = "[…]"  # stands for lines of the output that README leaves out


def run(words: list[str], folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words], capture_output=True, text=True, cwd=folder, check=True,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    return [line.rstrip() for line in done.stdout.splitlines()]


def console_blocks() -> Iterator[tuple[list[str], list[str]]]:
    """The commands of each console block in README, and the lines that are said to come out."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        first, *lines = block.splitlines()
        yield first.split("$ lstmdump ")[1:], lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with the sample models in it."""
    for path in (ROOT / "sample_models").iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize(
    ("commands", "said"), [pytest.param(*block, id=block[0][0].strip()) for block in console_blocks()]
)
def test_what_readme_shows_is_what_comes_out(commands: list[str], said: list[str], folder: Path) -> None:
    outputs = [run(shlex.split(words), folder) for words in commands]
    if len(outputs) == 1:
        if CUT in said:
            pattern = "\n".join(".*" if line == CUT else re.escape(line) for line in said)
            assert re.fullmatch(pattern, "\n".join(outputs[0]), re.DOTALL)
        else:
            assert said == outputs[0]
        return
    width = len("$ lstmdump keras-1.2.2-weather.h5") + 24  # where the second column starts
    rows = itertools.zip_longest(*outputs, fillvalue="")
    assert said == [f"{left:{width}}{right}".rstrip() for left, right in rows]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (0, "(1, 60, 30)\n"),
        (1, "lstm_1 3 6 240\n[["),
        (2, "keras-1.2.2-weather.h5 1\nkeras-2.2.0-weather.h5 1\n"),
    ],
    ids=["cell states", "a gate", "a batch"],
)
def test_what_readme_does_from_python_works(place: int, said: str, folder: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[place]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert done.stdout.startswith(said)


def test_readme_opens_with_two_commands() -> None:
    assert len(re.findall(r"```sh\n[^\n]+\n```", README.partition("\n## ")[0])) == 2


def test_readme_names_every_key_of_the_json() -> None:
    with lstmdump.open(ROOT / "sample_models" / "keras-2.2.0-weather.h5") as model:
        made = record.of(describe(model), with_others=True)
    keys = {*made, *made["parameters"], *made["layers"][0], *made["layers"][0]["weights"][0], *made["others"][0]}
    assert {key for key in keys if f"`{key}`" not in README} == set()


def test_readme_names_every_key_of_verify() -> None:
    layer = LayerVerdict("a", "LSTM", "x", "float64", 0.0, agrees=True)
    made = json.loads(render_verify.json_line(ModelVerdict("a.h5", (layer,), 1e-5, 0)))
    assert {key for key in (*made, *made["layers"][0]) if f"`{key}`" not in README} == set()


@pytest.mark.parametrize("name", ["show", "export", "check", "trace", "lags", "verify"])
def test_readme_names_every_option(name: str) -> None:
    ctx = command.make_context("lstmdump", [name, "x"], resilient_parsing=True)
    subcommand = command.get_command(ctx, name)
    assert subcommand is not None
    options = [option for param in subcommand.params for option in param.opts if option.startswith("--")]
    known = {
        "--files-from",
        "--null",
        "--recursive",
        "--layer",
        "--quiet",
        "--help",
        "--gate",
        "--output",
        "--force",
        "--jobs",
    }
    assert [option for option in options if option not in README and option not in known] == []


def test_every_option_has_help() -> None:
    ctx = command.make_context("lstmdump", ["show", "x"], resilient_parsing=True)
    commands = [command.get_command(ctx, name) for name in command.list_commands(ctx)]
    silent = [
        param.opts for sub in commands if sub for param in sub.params if param.param_type_name == "option" and not param.help  # type: ignore[attr-defined]
    ]  # fmt: skip
    assert silent == []


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import lstmdump", {"numpy", "h5py", "rich", "click", "tensorflow"}),
        ("import lstmdump.cli", {"numpy", "h5py", "rich", "tensorflow", "concurrent", "multiprocessing"}),
        ("from lstmdump import cli; cli.run(['show', '--json', {sample!r}])", {"rich", "tensorflow", "concurrent"}),
        ("from lstmdump import cli; cli.run(['show', {sample!r}])", {"rich", "tensorflow", "concurrent", "matplotlib"}),
        ("from lstmdump import cli; cli.run(['export', {sample!r}, '-o', {out!r}])", {"rich", "tensorflow", "keras"}),
    ],
)
def test_heavy_libraries_stay_behind_their_doors(statement: str, unwanted: set[str], tmp_path: Path) -> None:
    sample = str(ROOT / "sample_models" / "keras-2.2.0-weather.h5")
    code = statement.format(sample=sample, out=str(tmp_path / "x.npz"))
    check = f"{code}\nimport sys, json; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert unwanted & set(json.loads(done.stdout.splitlines()[-1])) == set()


@pytest.mark.parametrize(
    "name", ["tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint", "keras-3.15-every-format/exported"]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_bundle_is_shown_without_heavy_libraries(name: str, options: list[str]) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "lstmdump", "show", *options, str(ROOT / "sample_models" / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"numpy", "h5py", "tensorflow", "google", "crc32c"} & imported == set()


def test_a_bundle_is_exported_without_numpy(tmp_path: Path) -> None:
    sample, out = str(ROOT / "sample_models" / "tf-1.12-basic-lstm-cell-checkpoint"), str(tmp_path / "x.npz")
    words = [sys.executable, "-X", "importtime", "-m", "lstmdump", "export", sample, "-o", out]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"numpy", "h5py", "zipfile", "tensorflow"} & imported == set()


@pytest.mark.parametrize(
    "name", ["tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint", "keras-3.15-every-format/exported"]
)
def test_a_bundle_is_recorded_without_libraries_that_name_files(name: str) -> None:
    code = f"""
import click, json, sys
before = set(sys.modules)
from lstmdump import cli
cli.run(['show', '--json', {str(ROOT / "sample_models" / name)!r}])
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pathlib", "urllib", "urllib.parse", "fsspec", "tempfile"} & set(json.loads(done.stderr)) == set()


def test_each_room_is_in_the_table_of_rooms_once() -> None:
    table = README.partition("| room | holds |")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(.+?)`", row.split("|")[1])]
    package = ROOT / "lstmdump"  # the checkout may be called lstmdump, too
    files = {path.name for path in SOURCES if path.parent == package and not path.name.startswith("__")}
    folders = {f"{path.parent.name}/" for path in SOURCES if path.parent.parent == package}
    assert sorted(named) == sorted(files | folders)


def test_the_top_level_holds_what_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if tracked.returncode:
        pytest.skip("no checkout")
    top = {line.partition("/")[0] for line in tracked.stdout.splitlines()}
    agreed = {"pyproject.toml", "lstmdump", "tests", "sample_models", "README.md"}
    assert {name for name in top if not name.startswith(".")} == agreed


def test_the_package_is_typed() -> None:
    assert (Path(lstmdump.__file__).parent / "py.typed").is_file()


def test_the_public_names_are_documented() -> None:
    undocumented = [name for name in lstmdump.__all__ if name != "__version__" and not getattr(lstmdump, name).__doc__]
    assert undocumented == []


def test_all_exceptions_are_drawn_in_the_tree() -> None:
    drawn = lstmdump.errors.__doc__ or ""
    names = [name for name, value in vars(lstmdump.errors).items() if isinstance(value, type)]
    assert [name for name in names if name not in drawn] == []


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_readme_gives_the_reason_for_each_limit(limit: Limit) -> None:
    assert f"| `{limit.name}` | {written(limit)} | {limit.counts} | {limit.reason} |\n" in README


@pytest.mark.parametrize("place", re.findall(r"!\[[^]]*\]\(([^)]*)\)", README))
def test_readme_shows_pictures_that_are_there(place: str) -> None:
    assert (ROOT / place).read_bytes().startswith(b"\x89PNG")
