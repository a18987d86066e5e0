"""Properties of the whole project: light imports, typed and documented public names."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import lstmdump
from lstmdump.cli import command

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "lstmdump").rglob("*.py"))


def test_every_option_has_help() -> None:
    ctx = command.make_context("lstmdump", ["show", "x"], resilient_parsing=True)
    commands = [command.get_command(ctx, name) for name in command.list_commands(ctx)]
    silent = [
        param.opts for sub in commands if sub for param in sub.params if param.param_type_name == "option" and not param.help  # type: ignore[attr-defined]
    ]  # fmt: skip
    assert silent == []


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import lstmdump", {"numpy", "h5py", "rich", "click", "tensorflow"}),
        ("import lstmdump.cli", {"numpy", "h5py", "rich", "tensorflow", "concurrent", "multiprocessing"}),
        ("from lstmdump import cli; cli.run(['show', '--json', {sample!r}])", {"rich", "tensorflow", "concurrent"}),
        ("from lstmdump import cli; cli.run(['show', {sample!r}])", {"rich", "tensorflow", "concurrent", "matplotlib"}),
        ("from lstmdump import cli; cli.run(['export', {sample!r}, '-o', {out!r}])", {"rich", "tensorflow", "keras"}),
    ],
)
def test_heavy_libraries_are_not_imported(statement: str, heavy: set[str], tmp_path: Path) -> None:
    sample = str(ROOT / "sample_models" / "keras-2.2.0-weather.h5")
    code = statement.format(sample=sample, out=str(tmp_path / "x.npz"))
    check = f"{code}\nimport sys, json; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert heavy & set(json.loads(done.stdout.splitlines()[-1])) == set()


@pytest.mark.parametrize(
    "name",
    ["tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint", "keras-3.15-every-format/exported",
     "torch-2.13-bidirectional.pt"],
)  # fmt: skip
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_model_is_shown_without_heavy_libraries(name: str, options: list[str]) -> None:
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


NOT_FOR_SMALL_MODELS = {
    "numpy", "h5py", "fsspec",  # also in no other process: that of the HDF5 library would need the worker
    "lstmdump.sandbox.worker", "multiprocessing",
    "zipfile", "dataclasses", "locale", "textwrap", "pathlib", "urllib", "urllib.parse", "tempfile", "shutil", "pickle",
}  # fmt: skip
"""Modules that take 1 % or more of `show --json` of a small model to import, and that few models need."""


def import_for(statement: str) -> set[str]:
    """Return what `statement` imports beside that which click and json need."""
    code = f"import click, json, sys\nbefore = set(sys.modules)\n{statement}"
    code += "\nprint(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


@pytest.mark.parametrize(
    "name",
    [
        "tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint", "tf-keras-2.21-func30-savedmodel",
        "keras-1.2.2-weather.h5", "keras-2.2.0-weather.h5", "keras-3.15-func30.keras",
        *(f"keras-3.15-every-format/{one}" for one in ("checkpoint", "exported", "model.h5", "model.keras", "model.weights.h5",
                                                       "saved_model", "unzipped")),
    ],
)  # fmt: skip
def test_a_small_model_is_recorded_without_modules_that_few_models_need(name: str) -> None:
    sample = str(ROOT / "sample_models" / name)
    imported = import_for(f"from lstmdump import cli; cli.run(['show', '--json', {sample!r}])")
    assert imported & NOT_FOR_SMALL_MODELS == set()


@pytest.mark.parametrize("name", ["keras-2.2.0-weather.h5", "keras-3.15-every-format/model.weights.h5"])
def test_a_plain_hdf5_file_is_recorded_without_the_libraries_of_archives(name: str) -> None:
    sample = str(ROOT / "sample_models" / name)
    imported = import_for(f"from lstmdump import cli; cli.run(['show', '--json', {sample!r}])")
    assert {"zlib", "isal", "isal.isal_zlib", "bz2", "lzma"} & imported == set()


@pytest.mark.parametrize("name", ["keras-2.2.0-weather.h5", "keras-3.15-func30.keras", "keras-3.15-every-format/saved_model",
                                  "keras-3.15-every-format/checkpoint"])  # fmt: skip
def test_named_tuples_of_a_small_model_are_not_made_by_typing(name: str) -> None:
    """That would take 6 % more instructions."""
    sample = str(ROOT / "sample_models" / name)
    code = f"""
import sys, typing
from lstmdump import cli
cli.run(['show', '--json', {sample!r}])
print(*(name for name, module in sys.modules.items() if name.startswith('lstmdump.')
        if getattr(module, 'NamedTuple', None) is typing.NamedTuple), file=sys.stderr)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


EXTRAS = {"distributed", "fsspec", "aiohttp", "keras", "matplotlib", "onnxruntime", "tensorflow", "tf_keras", "torch"}
DEPENDENCIES = {"click", "crc32c", "h5py", "isal", "numpy", "rich", "tomli", "tomllib"} | EXTRAS


def list_imported(path: Path) -> set[str]:
    """Return the first names of all modules that the module at `path` imports."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def test_what_is_imported_is_declared_as_a_dependency() -> None:
    imported = set().union(*map(list_imported, SOURCES))
    assert imported - set(sys.stdlib_module_names) - {"lstmdump"} <= DEPENDENCIES


def test_the_top_level_holds_the_listed_entries_only() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if tracked.returncode:
        pytest.skip("no checkout")
    top = {line.partition("/")[0] for line in tracked.stdout.splitlines()}
    listed = {"pyproject.toml", "lstmdump", "tests", "sample_models", "README.md"}
    assert {name for name in top if not name.startswith(".")} == listed


def test_the_package_is_typed() -> None:
    assert (Path(lstmdump.__file__).parent / "py.typed").is_file()


def test_the_public_names_are_documented() -> None:
    undocumented = [name for name in lstmdump.__all__ if name != "__version__" and not getattr(lstmdump, name).__doc__]
    assert undocumented == []


def test_all_exceptions_are_in_the_documented_tree() -> None:
    tree = lstmdump.errors.__doc__ or ""
    names = [name for name, value in vars(lstmdump.errors).items() if isinstance(value, type)]
    assert [name for name in names if name not in tree] == []


ACRONYMS = {"API", "ASCII", "CNTK", "CPU", "CRC", "CVE", "GRU", "HDF", "HTML", "HTTP", "ICLR", "JSON", "LFS", "LSTM", "LZF", "ONNX", "PKWARE", "PNG",
            "RNN", "SIGTERM", "URL", "UTF"}  # fmt: skip
SHOWN_BY_HELP = {"FORMATS", "MODEL", "NAME", "VALUE"}
"""Metavars in the docstrings of commands, which `--help` prints; `FORMATS` is replaced there."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_have_parameters_in_backticks_not_in_capitals(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = (ast.get_docstring(node) or "" for node in nodes if isinstance(node, documented))
    words = {
        word for text in texts for word in re.findall(r"(?<![\w.])[A-Z]{3,}\b(?![\w.(])", re.sub(r"`[^`]*`", "", text))
    }
    assert words - ACRONYMS - (SHOWN_BY_HELP if "cli" in path.parts or path.name == "limits.py" else set()) == set()


def test_class_names_are_unique() -> None:
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, times in names.items() if times > 1] == []


def imports_of(path: Path) -> set[str]:
    """The modules of the tests that a module imports, by their first names."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
    return {name for name in modules if (ROOT / "tests" / name.partition(".")[0]).exists()
            or (ROOT / "tests" / f"{name.partition('.')[0]}.py").exists() or name.startswith("test_")}  # fmt: skip


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_test_module_imports_from_support_or_the_tool_that_it_tests(path: Path) -> None:
    tool = path.relative_to(ROOT / "tests").parts[0]
    packages = {name.partition(".")[0] for name in imports_of(path)}
    assert packages <= {"support", tool if tool in ("benchmarks", "hostile", "recordings") else "support"}
