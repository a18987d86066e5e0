"""README, the manual and the other documents: the outputs in them are real, and the lists complete."""

from __future__ import annotations

import builtins
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import documents

import lstmdump
from lstmdump.cli import command
from lstmdump.model.limits import LIMITS, Limit, written
from lstmdump.replay.verify import LayerVerdict, ModelVerdict
from lstmdump.report.render import verify as render_verify

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_models"
PAGES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "lstmdump" / "manual").glob("*.md"))}
DOCUMENTS = {
    "README.md": (ROOT / "README.md").read_text("utf-8"),
    "sample_models/README.md": (SAMPLES / "README.md").read_text("utf-8"),
    **{f"lstmdump/manual/{topic}.md": page for topic, page in PAGES.items()},
}
README = DOCUMENTS["README.md"]
DEVELOPMENT = {name: (ROOT / name).read_text("utf-8") for name in ("tests/README.md", "tests/benchmarks/README.md")}

COMMANDS = ("show", "export", "check", "trace", "lags", "diff", "verify")


class Example(NamedTuple):
    """A block of a document: its lines, and its index among the blocks of its kind."""

    document: str
    place: int
    lines: list[str]


def blocks(kind: str) -> Iterator[Example]:
    for document, text in DOCUMENTS.items():
        for place, block in enumerate(re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)):
            yield Example(document, place, block.splitlines())


def run(words: list[str], folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words], capture_output=True, text=True, cwd=folder, check=True,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with the sample models."""
    for path in SAMPLES.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def unwrapped(text: str) -> str:
    """Return `text` on one line."""
    return " ".join(text.split())


# Blocks and commands


@pytest.mark.parametrize("example", [pytest.param(one, id=f"{one[0]}: {one[2][0]}") for one in blocks("console")])
def test_a_console_block_shows_the_real_output(example: Example, folder: Path) -> None:
    first, *shown = example.lines
    outputs = [run(shlex.split(words), folder) for words in first.split("$ lstmdump ")[1:]]
    if len(outputs) == 1:
        if documents.CUT in shown:
            assert documents.matches("\n".join(shown), "\n".join(outputs[0]))
        else:
            assert shown == outputs[0]
        return
    width = len("$ lstmdump keras-1.2.2-weather.h5") + 28  # where the second column starts
    rows = itertools.zip_longest(*outputs, fillvalue="")
    assert shown == [f"{left:{width}}{right}".rstrip() for left, right in rows]


BATCH = "keras-1.2.2-weather.h5 1\nkeras-2.2.0-weather.h5 1\n"
PYTHON_OUTPUTS = {
    ("README.md", 0): r"kernel \(76, 256\) \(12\+64\)×4·64\nbias \(256,\) 4·64\n",
    ("README.md", 1): r"i \(input\)  W \(1, 30\)  U \(30, 30\)  b \(30,\)\n.*\n\(60, 30\)\n",
    ("README.md", 2): r"\{'i': \(0, 6\), 'f': \(6, 12\), 'c': \(12, 18\), 'o': \(18, 24\)\}\n.* 36\.9 % .* 21\.1 % .*",
    ("lstmdump/manual/python.md", 0): r"lstm_1 3 6 240\n\[\[.*\]\]\n",
    (
        "lstmdump/manual/python.md",
        1,
    ): r"keras-2.2.0-weather.h5\n.*\nTrue 1 \['lstm_1'\]\ni \(input\)  W .*Why 4·6 = 24.*",
    ("lstmdump/manual/python.md", 2): r"\(3, 6\) 2 float32 72\n\[ 0\.358.*\]\n-1\.6569\n",
    ("lstmdump/manual/python.md", 3): r"\(2, 9, 6\) \(2, 2\)\n\[0\.369, 0\.211, 0\.19\] 6\n",
    ("lstmdump/manual/python.md", 4): r"\(1, 60, 30\)\n",
    ("lstmdump/manual/python.md", 5): r"lstm_1 \(2, 9, 6\)\n",
    ("lstmdump/manual/python.md", 6): r"12\n",
    (
        "lstmdump/manual/python.md",
        7,
    ): r"weight_ih_l0 \(120, 1\)\nweight_hh_l0 \(120, 30\)\n(bias_[ih]h_l0 \(120,\)\n){2}",
    ("lstmdump/manual/python.md", 8): r"lstm_1: identical\nthe same\n\(\)\n",
    ("lstmdump/manual/python.md", 9): re.escape(BATCH),
}
"""What each block of Python prints that no block of text follows, as a regular expression."""
NOTEBOOKS = {name: text for name, text in DOCUMENTS.items() if documents.NOTEBOOK in text}
SCRIPTS = [
    pytest.param(document, place, cell, id=f"{document}: {place}")
    for document, text in DOCUMENTS.items()
    if document not in NOTEBOOKS
    for place, cell in enumerate(documents.cells(text))
]


@pytest.mark.parametrize(("document", "place", "cell"), SCRIPTS)
def test_a_python_block_runs(document: str, place: int, cell: documents.Cell, folder: Path) -> None:
    (made,) = documents.run([cell.code], folder)
    if cell.output is None:
        assert re.fullmatch(PYTHON_OUTPUTS[document, place], made, re.DOTALL)
    else:
        assert documents.matches(cell.output, made)


def test_each_python_block_has_its_output_behind_it_or_listed() -> None:
    listed = {(one.values[0], one.values[1]) for one in SCRIPTS if one.values[2].output is None}
    assert listed == set(PYTHON_OUTPUTS)


@pytest.mark.parametrize("document", NOTEBOOKS)
def test_the_cells_of_a_notebook_page_show_what_is_behind_them(document: str, folder: Path) -> None:
    """One after the other, but for those that need PyTorch or pandas where that is not installed."""
    cells = [cell for cell in documents.cells(NOTEBOOKS[document]) if not cell.missing]
    made = documents.run([cell.code for cell in cells], folder)
    assert [cell for cell, output in zip(cells, made, strict=True) if not documents.matches(cell.output, output)] == []


NOT_RUN = {"lstmdump s3://bucket/weather.h5", "lstmdump verify weather.h5"}  # they require a network and TensorFlow
TASKS = re.findall(r"^\| .*? \| `(lstmdump .*?)` \|$", README.partition("## I want to")[2], re.MULTILINE)


@pytest.mark.parametrize("words", [words for words in TASKS if words not in NOT_RUN])
def test_a_command_in_readme_runs(words: str, tmp_path: Path) -> None:
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    for name in ("keras-1.2.2-weather.h5", "keras-2.2.0-weather.h5"):
        (tmp_path / "models").mkdir(exist_ok=True)
        shutil.copy(SAMPLES / name, tmp_path / "models")
    shutil.copy(SAMPLES / "keras-2.2.0-weather.h5", tmp_path / "weather.h5")
    shutil.copy(SAMPLES / "weather.x.npy", tmp_path / "x.npy")
    assert run(shlex.split(words)[1:], tmp_path) or "--plot" in words


def test_readme_has_16_tasks() -> None:
    assert len(TASKS) == 16
    assert set(TASKS) >= NOT_RUN


# README


def test_readme_is_short() -> None:
    assert len(README.encode("utf-8")) <= 10_240


def test_readme_opens_with_two_commands() -> None:
    assert len(re.findall(r"```sh\n[^\n]+\n```", README.partition("\n## ")[0])) == 2


def test_the_workflow_runs_the_two_commands() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8")
    for words in re.findall(r"```sh\n([^\n]+)\n```", README.partition("\n## ")[0]):
        assert f"        run: {words}\n" in workflow


@pytest.mark.parametrize("word", ["pip install lstmdump", "lstmdump["])
def test_no_document_installs_from_an_unregistered_name(word: str) -> None:
    assert [name for name, text in {**DOCUMENTS, **DEVELOPMENT}.items() if word in text] == []


# The manual


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_begins_with_its_topic_and_a_sentence(topic: str) -> None:
    heading, blank, sentence, *_ = PAGES[topic].splitlines()
    assert (heading, blank) == (f"# {topic}", "")
    assert re.fullmatch(r"[A-Z].*[.?]", sentence)
    assert PAGES[topic].splitlines()[3] == ""


@pytest.mark.parametrize("topic", PAGES)
def test_code_and_tables_of_a_page_fit_80_columns(topic: str) -> None:
    """Console output may be wider."""
    ours = re.sub(r"```(console|text)\n.*?```", "", PAGES[topic], flags=re.DOTALL)
    code = "".join(re.findall(r"```\w*\n(.*?)```", ours, re.DOTALL)).splitlines()
    apart = [line for line in ours.splitlines() if line.startswith(("    ", "|"))]
    assert [line for line in (*code, *apart) if len(line) > 80] == []


def test_every_command_has_its_page() -> None:
    assert set(COMMANDS) <= set(PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_names_every_option(name: str) -> None:
    """The options that select models are on the page `models`."""
    ctx = command.make_context("lstmdump", [name, "x"], resilient_parsing=True)
    subcommand = command.get_command(ctx, name)
    assert subcommand is not None
    options = [option for param in subcommand.get_params(ctx) for option in (*param.opts, *param.secondary_opts)
               if option.startswith("-")]  # fmt: skip
    named = re.findall(r"`(-[^`\s]*)", PAGES[name] + PAGES["models"])
    assert [option for option in options if option not in named] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_names_existing_options_only(name: str) -> None:
    ctx = command.make_context("lstmdump", [name, "x"], resilient_parsing=True)
    known = {"--version", "--print0"}
    for other in COMMANDS:
        subcommand = command.get_command(ctx, other)
        assert subcommand is not None
        known |= {option for param in subcommand.get_params(ctx) for option in (*param.opts, *param.secondary_opts)}
    named = re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", re.sub(r"^    .*$", "", PAGES[name], flags=re.MULTILINE))
    assert [option for option in named if option not in known] == []


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_the_manual_gives_the_reason_for_each_limit(limit: Limit) -> None:
    entry = f"- `{limit.name}`, {written(limit)} by default: {limit.counts}. Why: {limit.reason}. "
    assert entry in unwrapped(PAGES["limits"])


def test_the_manual_names_the_hooks_for_pre_commit() -> None:
    hooks = re.findall(r"- id: (\S+)", (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert re.findall(r"- id: (\S+)", PAGES["check"]) == hooks


def test_the_manual_has_the_changes_of_this_release() -> None:
    assert re.findall(r"^## (.*)$", PAGES["changes"], re.MULTILINE)[0] == lstmdump.__version__


def test_every_exception_in_the_manual_exists() -> None:
    named = {word for page in PAGES.values() for word in re.findall(r"`(\w*Error|ModelClosed|NotAnLSTM)`", page)}
    assert {word for word in named if not hasattr(lstmdump.errors, word) and not hasattr(builtins, word)} == set()


def public_names() -> set[str]:
    """Return the names of the package in the documents, except in the page on changes."""
    texts = [text for name, text in DOCUMENTS.items() if not name.endswith("changes.md")]
    found = {name for text in texts for name in re.findall(r"(?<![\w/.-])lstmdump\.([A-Za-z_][\w.]*\w)", text)}
    found |= {
        name for text in texts for names in re.findall(r"from lstmdump import (.*)", text) for name in names.split(", ")
    }
    return {name for name in found if not name.endswith("fish")}


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_name_in_the_documents_is_public_and_importable(name: str) -> None:
    assert name.partition(".")[0] in lstmdump.__all__
    subprocess.run([sys.executable, "-c", f"import lstmdump; lstmdump.{name}"], check=True)


ROWS = re.findall(r"^\| (.*?) \| (.*?) \|$", PAGES["coming-from"], re.MULTILINE)
OURS = [code for _, ours in ROWS for code in re.findall(r"`([^`]*)`", ours)]
SETUP = """
import warnings

import numpy as np

import lstmdump

warnings.simplefilter("ignore", lstmdump.errors.LayoutWarning)
model = lstmdump.open("keras-2.2.0-weather.h5")
x, f = np.load("weather.x.npy"), "states.npz"
lstm, states, result = model["lstm_1"], model.trace(x), model.lags(x)
W = lstm.gates["f"].W
"""


def test_the_expressions_for_users_of_other_tools_can_be_evaluated(folder: Path) -> None:
    codes = [code for code in OURS if not code.startswith(("lstmdump ", "model.close"))]
    assert len(codes) > 20
    documents.run([SETUP, *codes], folder)


def test_the_commands_for_users_of_other_tools_have_existing_options() -> None:
    for words in [shlex.split(code) for code in OURS if code.startswith("lstmdump ") and "--" in code]:
        ctx = command.make_context("lstmdump", [words[1], "x"], resilient_parsing=True)
        subcommand = command.get_command(ctx, words[1])
        assert subcommand is not None
        known = {option for param in subcommand.get_params(ctx) for option in param.opts}
        assert [word for word in words if word.startswith("--") and word not in known] == []


# The keys of JSON


def keys_in(made: object) -> set[str]:
    """Return all keys in `made`, except those in `stats`, which are names of layers and arrays."""
    if isinstance(made, list):
        return {key for one in made for key in keys_in(one)}
    if not isinstance(made, dict):
        return set()
    return set(made) | {key for name, one in made.items() if name != "stats" for key in keys_in(one)}


def missing_keys(made: dict[str, Any], heading: str) -> set[str]:
    """Return the keys in `made` that the manual does not name below `heading`."""
    section = PAGES["json"].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {key for key in keys_in(made) if f"`{key}`" not in section}


def made_by(*words: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words], capture_output=True, text=True, cwd=folder, check=False
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


MODEL = "keras-2.2.0-weather.h5"
STACKED = "keras-2.1.0-tf1.4.1-py36-rnn_stackedcells.model.h5"


@pytest.mark.parametrize("words", [[], ["--all"], ["--stats"]], ids=["alone", "all", "stats"])
def test_the_manual_names_every_key_of_show(words: list[str], folder: Path) -> None:
    assert missing_keys(made_by("show", "--json", *words, MODEL, folder=folder), "show --json") == set()


def test_the_manual_names_every_key_of_statistics(folder: Path) -> None:
    made = made_by("show", "--json", "--stats", MODEL, folder=folder)["stats"]["lstm_1"]
    entries = {name: made[name] for name in ("W_f", "U_f", "time_scale")}
    assert missing_keys({"stats": None} | dict.fromkeys(keys_in(entries) - set(entries)), "show --json") == set()
    assert "`time_scale`" in PAGES["json"]


def test_the_manual_names_every_key_of_export(folder: Path) -> None:
    words = ("export", "--json", MODEL, "-o", "gates.npz", "--skip-existing")
    first, second = made_by(*words, folder=folder), made_by(*words, folder=folder)
    assert missing_keys(first | second, "export --json") == set()


def test_the_manual_names_every_key_of_check(folder: Path) -> None:
    made = made_by("check", MODEL, "--params", "1", "--format", "json", folder=folder)
    assert made["differences"]
    assert missing_keys(made, "check --format json") == set()


def test_the_manual_names_every_key_of_diff(folder: Path) -> None:
    other = "keras-1.2.2-weather.h5"
    assert missing_keys(made_by("diff", MODEL, other, "--json", folder=folder), "diff --json") == set()


def test_the_manual_names_every_key_of_trace(folder: Path) -> None:
    words = ("trace", MODEL, "-i", "weather.x.npy", "-o", "states.npz", "--json", "--stats")
    assert missing_keys(made_by(*words, folder=folder), "trace --json") == set()


def test_the_manual_names_every_key_of_lags(folder: Path) -> None:
    words = ("lags", MODEL, "-i", "weather.x.npy", "--json", "--by-feature")
    assert missing_keys(made_by(*words, folder=folder), "lags --json") == set()


def test_the_manual_names_every_key_of_verify() -> None:
    layer = LayerVerdict("a", "LSTM", "x", "float64", 0.0, agrees=True)
    made = json.loads(render_verify.json_line(ModelVerdict("a.h5", (layer,), 1e-5, 0)))
    assert missing_keys(made, "verify --json") == set()


def test_the_manual_names_the_keys_of_a_failure(folder: Path) -> None:
    made = made_by("show", "--json", "nothing.h5", folder=folder)
    assert {key for key in made if f'"{key}": …' not in PAGES["json"].partition("\n## ")[0]} == set()


# Facts that the documents state


SLICES = re.compile(r"^    ([ifco])  +(\S+(?: \S+)*)  +(\S+(?: \S+)*)  +(\S+(?: \S+)*)$", re.MULTILINE)


@pytest.mark.parametrize(("heading", "model"), [
    ("Keras 2 and 3", SAMPLES / MODEL),
    ("TensorFlow 1", SAMPLES / "tf-1.12-basic-lstm-cell-checkpoint"),
])  # fmt: skip
def test_the_slices_in_the_manual_are_the_gates(heading: str, model: Path) -> None:
    section = PAGES["layouts"].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    with lstmdump.open(model) as opened:
        (lstm,) = opened.lstms
        names = {weight.name: weight.tensor.read() for weight in lstm.weights}
        names |= {"d": lstm.input_dim, "m": lstm.units}
        named = SLICES.findall(section)
        assert [gate for gate, *_ in named] == list(lstm.gate_order)
        for gate, *slices in named:
            for tensor, expression in zip(lstm.gates[gate], slices, strict=False):
                np.testing.assert_array_equal(tensor.read(), eval(expression, names))  # noqa: S307


def test_the_slices_of_cudnn_in_the_manual_are_the_gates() -> None:
    section = PAGES["layouts"].partition("\n## CuDNNLSTM\n")[2].partition("\n## ")[0]
    named = re.findall(r"^    ([WUb])_f = (.*)$", section, re.MULTILINE)
    assert [array for array, _ in named] == ["W", "U", "b"]
    with lstmdump.open(ROOT / "tests" / "oracle" / "tf.keras-2.8.4-cudnn.h5") as opened:
        (lstm,) = opened.lstms
        names = {weight.name: weight.tensor.read() for weight in lstm.weights}
        names |= {"d": lstm.input_dim, "m": lstm.units}
        for array, expression in named:
            np.testing.assert_array_equal(getattr(lstm.gates["f"], array).read(), eval(expression, names))  # noqa: S307


def test_the_shares_of_lags_in_the_text_are_those_of_the_table() -> None:
    text = DOCUMENTS["sample_models/README.md"]
    table = dict(re.findall(r"^  t-(\d) +\S+ +(\S+) %", text, re.MULTILINE))
    named = re.findall(r"t-(\d) has (\S+) % \(the row t-(\d)\)", text)
    assert [(int(asked), share) for asked, share, _ in named] == [(1, "36.9"), (2, "21.1"), (5, "4.5")]
    assert [(table[row], int(asked) - int(row)) for asked, _, row in named] == [(share, 1) for _, share, _ in named]


# The other documents


@pytest.mark.parametrize("name", [*DOCUMENTS, *DEVELOPMENT])
def test_links_to_files_have_targets(name: str) -> None:
    text = {**DOCUMENTS, **DEVELOPMENT}[name]
    places = re.findall(r"\]\(([^)]*)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    here = [place for place in places if "://" not in place]
    assert [place for place in here if not ((ROOT / name).parent / place).exists()] == []


@pytest.mark.parametrize("place", re.findall(r"!\[[^]]*\]\(([^)]*)\)", DOCUMENTS["sample_models/README.md"]))
def test_the_pictures_exist(place: str) -> None:
    assert (SAMPLES / place).read_bytes().startswith(b"\x89PNG")


def test_each_package_is_in_the_table_of_packages_once() -> None:
    table = DEVELOPMENT["tests/README.md"].partition("| package | holds |")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(.+?)`", row.split("|")[1])]
    package = ROOT / "lstmdump"
    folders = {path.parent.relative_to(package) for path in package.rglob("*.py")} | {Path("manual")}
    assert sorted(named) == sorted("lstmdump" if folder == Path() else folder.as_posix() for folder in folders)


def test_each_file_in_the_table_of_packages_is_in_its_package() -> None:
    table = DEVELOPMENT["tests/README.md"].partition("| package | holds |")[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        _, package, holds, _ = row.split("|")
        place = ROOT / "lstmdump" / package.strip(" `").replace("lstmdump", "")
        assert [name for name in re.findall(r"`(\w+\.py)`", holds) if not (place / name).is_file()] == []
