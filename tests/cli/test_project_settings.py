"""Settings of a project: where they are found, what they may hold, and that options win."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders

from lstmdump.cli import project_settings

Run = Callable[..., Any]
HEAD = "[tool.lstmdump.check]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a project with the models `models/a.h5` and `models/b.h5` of 128 LSTM parameters each."""
    (tmp_path / "models").mkdir()
    for name in ("a.h5", "b.h5"):
        builders.one_lstm(tmp_path / "models" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings(project: Path) -> Callable[[str], None]:
    """Return a function that writes the table for `check` into the project's pyproject.toml."""

    def write(text: str) -> None:
        (project / "pyproject.toml").write_text(HEAD + text, "utf-8")

    return write


Write = Callable[[str], None]


def test_without_a_model_those_of_the_settings_are_checked(run: Run, settings: Write) -> None:
    settings('models = ["models/a.h5", "models/b.h5"]\nparams = 128')
    a, b = (os.path.join("models", name) for name in ("a.h5", "b.h5"))
    lines = [f"{name}: ok (1 LSTM layer, 128 parameters)" for name in (a, b)]
    assert (outcome := run("check")).status == 0
    assert outcome.out.replace("/", os.sep).splitlines() == lines


@pytest.mark.parametrize("pattern", ["models/*.h5", "*/?.h5", "**/*.h5", "models/[ab].h5"])
def test_a_pattern_stands_for_the_models_that_match(pattern: str, run: Run, settings: Write) -> None:
    settings(f'models = ["{pattern}"]\nparams = 128')
    assert [line[:11].replace(os.sep, "/") for line in run("check").out.splitlines()] == ["models/a.h5", "models/b.h5"]


def test_a_model_that_matches_twice_is_checked_once(run: Run, settings: Write) -> None:
    settings('models = ["models/*.h5", "./models/a.h5"]\nparams = 128')
    assert len(run("check").out.splitlines()) == 2


def test_a_name_with_brackets_is_a_name_if_it_exists(run: Run, project: Path, settings: Write) -> None:
    (project / "models" / "a.h5").rename(project / "[ab].h5")
    settings('models = ["[ab].h5"]\nparams = 128')
    assert run("check").out.startswith("[ab].h5: ok")


def test_a_pattern_without_a_match_is_a_failure(run: Run, settings: Write) -> None:
    settings('models = ["models/*.h5", "exports/*.keras"]\nparams = 128')
    outcome = run("check")
    assert (outcome.status, outcome.out, outcome.err) == (
        2,
        "",
        'lstmdump: pyproject.toml: models: nothing matches "exports/*.keras"\n',
    )


def test_a_model_of_the_settings_that_is_missing_is_a_failure(run: Run, settings: Write) -> None:
    settings('models = ["models/c.h5", "models/a.h5"]\nparams = 128')
    outcome = run("check")
    assert (outcome.status, outcome.out.count("ok"), outcome.err) == (
        2,
        1,
        "lstmdump: models/c.h5: no such file or directory\nlstmdump: 1 checked, 1 failed, 0 passed over\n",
    )


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("params = 129", "LSTM parameters: expected 129, found 128 (-1)"),
        ("total = 100", "total parameters: expected 100, found 133 (+33)"),
        ("max-params = 100", "LSTM parameters: expected at most 100, found 128 (+28)"),
        ("max-total = 1_00", "total parameters: expected at most 100, found 133 (+33)"),
        ("layer-params = { lstm_1 = 1 }", "lstm_1: parameters: expected 1, found 128 (+127)"),
        ('layer-shape = { lstm_1 = "3x5" }', "lstm_1: shape: expected 3x5, found 3x4"),
        ('layer-shape.lstm_2 = "3x5"', "lstm_2: layer missing"),
    ],
)
def test_an_expectation_of_the_settings_holds(key: str, line: str, run: Run, settings: Write) -> None:
    settings(key)
    outcome = run("check", "models/a.h5")
    assert (outcome.status, outcome.out) == (1, f"models/a.h5: {line}\n")


@pytest.mark.parametrize(
    ("key", "option"),
    [
        ("params = 1", ["--params", "128"]),
        ("total = 1", ["--total", "133"]),
        ("max-params = 1", ["--max-params", "128"]),
        ("max-total = 0", ["--max-total", "133"]),
        ("layer-params = { lstm_9 = 1 }", ["--layer-params", "lstm_1=128"]),
        ('layer-shape = { lstm_1 = "9x9" }', ["--layer-shape", "lstm_1=3x4"]),
    ],
)
def test_an_option_takes_the_place_of_the_setting(key: str, option: list[str], run: Run, settings: Write) -> None:
    settings(key)
    assert run("check", "models/a.h5", *option).status == 0


def test_an_option_of_zero_takes_the_place_of_the_setting(run: Run, settings: Write) -> None:
    settings("max-params = 1000")
    assert run("check", "models/a.h5", "--max-params", "0").status == 1


def test_a_setting_without_its_option_still_holds(run: Run, settings: Write) -> None:
    settings("max-params = 1")
    assert run("check", "models/a.h5", "--total", "133").status == 1


def test_models_on_the_command_line_take_the_place_of_those_of_the_settings(run: Run, settings: Write) -> None:
    settings('models = ["models/none.h5"]\nparams = 128')
    assert run("check", "models/b.h5").out == "models/b.h5: ok (1 LSTM layer, 128 parameters)\n"


def test_a_directory_on_the_command_line_takes_the_place_of_the_models(run: Run, settings: Write) -> None:
    settings('models = ["models/none.h5"]\nparams = 128')
    assert run("check", "-r", "models").status == 0


def test_a_limit_of_the_settings_is_raised(run: Run, settings: Write) -> None:
    """An architecture of more than 16 bytes is refused under a limit of 16, which says that it was used."""
    settings("params = 128\nlimit = { json-size = 16 }")
    outcome = run("check", "models/a.h5")
    assert (outcome.status, "json-size" in outcome.err) == (2, True)


def test_an_option_for_limits_takes_the_place_of_the_setting(run: Run, settings: Write) -> None:
    settings("params = 128\nlimit = { json-size = 16 }")
    assert run("check", "models/a.h5", "--limit", "json-size=16MiB").status == 0


def test_a_limit_may_have_a_unit(settings: Write) -> None:
    settings('limit = { json-size = "64MiB" }')
    assert project_settings.read(None).limits.json_size == 64 * 2**20


def test_models_are_compared_with_the_record_of_the_settings(run: Run, project: Path, settings: Write) -> None:
    (project / "models.jsonl").write_text(run("show", "--json", "models/a.h5", "models/b.h5").out, "utf-8")
    settings('models = ["models/*.h5"]\nagainst = "models.jsonl"')
    builders.write(project / "models" / "b.h5", {"lstm_1": builders.keras_2_weights("lstm_1", 3, 5)})
    outcome = run("check")
    line = f"{os.path.join('models', 'b.h5')}: lstm_1: units: expected 4, found 5 (+1)"
    assert (outcome.status, outcome.out.splitlines()[1]) == (1, line)


def test_without_models_those_of_the_record_are_checked(run: Run, project: Path, settings: Write) -> None:
    (project / "models.jsonl").write_text(run("show", "--json", "models/b.h5").out, "utf-8")
    settings('against = "models.jsonl"')
    assert run("check").out.startswith("models/b.h5: ok")


def test_a_model_on_the_command_line_is_compared_with_its_record_alone(
    run: Run, project: Path, settings: Write
) -> None:
    (project / "models.jsonl").write_text(run("show", "--json", "models/a.h5", "models/b.h5").out, "utf-8")
    settings('against = "models.jsonl"')
    assert run("check", "models/b.h5").out == "models/b.h5: ok (1 LSTM layer, 128 parameters)\n"


def test_a_record_of_the_settings_without_a_model_is_a_difference(run: Run, project: Path, settings: Write) -> None:
    (project / "models.jsonl").write_text(run("show", "--json", "models/a.h5", "models/b.h5").out, "utf-8")
    settings('against = "models.jsonl"\nmodels = ["models/a.h5"]')
    outcome = run("check")
    assert (outcome.status, outcome.out.splitlines()[1]) == (1, "models/b.h5: model missing")


def test_update_writes_the_record_of_the_settings(run: Run, project: Path, settings: Write) -> None:
    settings('models = ["models/*.h5"]\nagainst = "models.jsonl"\nmax-params = 1000')
    assert run("check", "--update").status == 0
    assert [
        json.loads(line)["parameters"]["lstm"] for line in (project / "models.jsonl").read_text("utf-8").splitlines()
    ] == [128, 128]


def test_update_of_some_models_does_not_drop_the_records_of_the_others(
    run: Run, project: Path, settings: Write
) -> None:
    settings('models = ["models/*.h5"]\nagainst = "models.jsonl"')
    run("check", "--update")
    before = (project / "models.jsonl").read_bytes()
    outcome = run("check", "models/a.h5", "--update")
    assert (outcome.status, "leave MODEL out" in outcome.err) == (2, True)
    assert (project / "models.jsonl").read_bytes() == before


# Where the settings are


def test_the_settings_of_a_directory_above_are_found(
    run: Run, project: Path, settings: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings('models = ["models/a.h5"]\nparams = 128')
    (project / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(project / "src" / "deep")
    assert run("check").out == f"{os.path.join('..', '..', 'models/a.h5')}: ok (1 LSTM layer, 128 parameters)\n"


@pytest.mark.parametrize("nearer", ["[tool.ruff]\nline-length = 120\n", "[tool.other]\nfor = 'lstmdump'\n", "not TOML"])
def test_a_nearer_file_without_a_table_for_lstmdump_is_passed_over(
    nearer: str, run: Run, project: Path, settings: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings("max-params = 1")
    (project / "models" / "pyproject.toml").write_text(nearer)
    monkeypatch.chdir(project / "models")
    assert run("check", "a.h5").status == 1


def test_the_nearest_table_counts_alone(
    run: Run, project: Path, settings: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings("max-params = 1")
    (project / "models" / "pyproject.toml").write_text(f"{HEAD}params = 128")
    monkeypatch.chdir(project / "models")
    assert run("check", "a.h5").status == 0


@pytest.mark.parametrize("head", ["", HEAD])
def test_config_takes_the_place_of_pyproject(head: str, run: Run, project: Path, settings: Write) -> None:
    settings("max-params = 1")
    (project / "ci").mkdir()
    (project / "ci" / "check.toml").write_text(f'{head}models = ["../models/a.h5"]\nparams = 128')
    outcome = run("check", "--config", "ci/check.toml")
    assert outcome.out == f"{os.path.join('ci', '../models/a.h5')}: ok (1 LSTM layer, 128 parameters)\n"


def test_a_file_given_by_config_must_have_the_table(run: Run, project: Path) -> None:
    (project / "other.toml").write_text("[tool.ruff]\n")
    outcome = run("check", "models/a.h5", "--config", "other.toml")
    assert (outcome.status, outcome.err) == (2, "lstmdump: other.toml: no table [tool.lstmdump.check]\n")


def test_a_file_given_by_config_must_exist(run: Run) -> None:
    outcome = run("check", "a.h5", "--config", "none.toml")
    assert (outcome.status, outcome.err) == (2, "lstmdump: none.toml: cannot be read: No such file or directory\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_settings_may_be_in_the_encodings_that_shells_write(encoding: str, run: Run, project: Path) -> None:
    (project / "check.toml").write_bytes("max-params = 1".encode(encoding))
    assert run("check", "models/a.h5", "--config", "check.toml").status == 1


def test_other_commands_read_no_settings(run: Run, settings: Write) -> None:
    settings("nonsense = 1")
    assert run("show", "models/a.h5").status == 0


def test_show_does_not_import_the_settings(model: Path) -> None:
    words = f"""if True:
        import sys
        from lstmdump import cli
        assert cli.run(["show", {os.fspath(model)!r}]) == 0
        assert not [name for name in sys.modules if "toml" in name or "project_settings" in name]
    """
    subprocess.run([sys.executable, "-c", words], check=True, capture_output=True)


# What is wrong in them


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max-param = 1", 'unknown key "max-param"; did you mean "max-params"?'),
        ("max_params = 1", 'unknown key "max_params"; did you mean "max-params"?'),
        ("Models = []", 'unknown key "Models"; did you mean "models"?'),
        ("colour = 1", 'unknown key "colour"; known are models, params, total, layer-params, layer-shape, max-params,'),
        ('params = "12k"', 'params: "12k" is not a whole number; write it without quotes, such as 19_712'),
        ("params = 1.5", "params: 1.5 is not a whole number"),
        ("params = true", "params: true is not a whole number"),
        ("params = -1", "params: -1 is not a whole number"),
        ("params = 1979-05-27", "params: 1979-05-27 is not a whole number"),
        ("total = [1]", "total: a list is not a whole number"),
        ('models = "a.h5"', 'models: "a.h5" is not a list of paths; write ["a.h5"]'),
        ("models = 3", "models: 3 is not a list of paths"),
        ("models = [3]", "models: 3 is not a path"),
        ('models = [""]', 'models: "" is not a path'),
        ('models = ["a\\u0000b"]', 'models: "a\\u0000b" is not a path'),
        ("against = 3", "against: 3 is not a path"),
        ("layer-params = 3", "layer-params: 3 is not a table, such as { lstm_1 = 240 }"),
        ('layer-params = { lstm_1 = "3" }', 'layer-params: "lstm_1": "3" is not a whole number; write it without'),
        ("layer-params.encoder.lstm = 3", 'layer-params: "encoder": a table is not a whole number; put a name with'),
        ('layer-shape = { lstm_1 = "3" }', 'layer-shape: "lstm_1": "3" is not inputs and units, such as "3x6"'),
        ("layer-shape = { lstm_1 = [3, 6] }", 'layer-shape: "lstm_1": a list is not inputs and units, such as "3x6"'),
        ("limit = 3", 'limit: 3 is not a table, such as { json-size = "64MiB" }'),
        ("limit = { json-sise = 3 }", 'limit: unknown limit "json-sise"; did you mean "json-size"?'),
        ("limit = { json-size = [] }", 'limit: "json-size": a list is not a value'),
        ('limit = { json-size = "many" }', "limit: 'many' is not a value for json-size; give one such as 16MiB"),
        ("params = 1\nparams = 2", "not valid TOML: Cannot overwrite a value (at "),
        ("params = x y", "not valid TOML: Invalid value (at line 2, column 10)"),
    ],
)
def test_a_mistake_is_one_line_with_the_name_of_the_file(text: str, words: str, run: Run, settings: Write) -> None:
    settings(text)
    outcome = run("check", "models/a.h5", "--params", "128")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert outcome.err.startswith(f"lstmdump: pyproject.toml: {words}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.lstmdump.chek]", 'unknown key "chek" in [tool.lstmdump]; did you mean "check"?'),
        (
            "[tool.lstmdump]\nparams = 1",
            'unknown key "params" in [tool.lstmdump]; it belongs into [tool.lstmdump.check]',
        ),
        ("[tool]\nlstmdump = 1", "[tool.lstmdump] is not a table"),
        ("[tool.lstmdump]\ncheck = 1", "[tool.lstmdump.check] is not a table"),
        ("# lstmdump\nx = \xe9".encode("latin-1"), "not valid UTF-8"),
        (f"{HEAD}x = {'[' * 5000}", "not valid TOML: nested too deeply"),
        (f"{HEAD}params = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
    ],
)
def test_a_file_without_a_proper_table_is_reported(text: str | bytes, words: str, run: Run, project: Path) -> None:
    (project / "pyproject.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    outcome = run("check", "models/a.h5", "--params", "128")
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert outcome.err.startswith(f"lstmdump: pyproject.toml: {words}")


def test_settings_without_an_expectation_are_a_usage_error(run: Run, settings: Write) -> None:
    settings('models = ["models/a.h5"]')
    outcome = run("check")
    assert (outcome.status, "nothing to compare with" in outcome.err) == (2, True)


# The manual


def page(root: Path) -> str:
    return (root / "lstmdump" / "manual" / "check.md").read_text("utf-8")


def test_the_settings_in_the_manual_are_valid(root: Path, project: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", page(root), re.DOTALL)
    (project / "pyproject.toml").write_text("".join(blocks), "utf-8")
    found = project_settings.read(None)
    assert (len(blocks), found.expected.max_params, found.against) == (1, 100_000, "models.jsonl")


def test_the_manual_names_every_key(root: Path) -> None:
    section = page(root).partition("## Settings of a project")[2].partition("\n## ")[0]
    assert [key for key in project_settings.KEYS if f"`{key}`" not in section] == []


def test_the_values_in_the_manual_are_valid(root: Path, project: Path) -> None:
    lines = re.findall(r"`(layer-params|layer-shape|limit)`: [^`]*`(\{.*?\})`", page(root))
    (project / "check.toml").write_text("\n".join(f"{key} = {value}" for key, value in lines), "utf-8")
    found = project_settings.read("check.toml")
    assert found.expected.layer_params == (("lstm_1", 240), ("encoder/lstm", 240))
    assert (found.expected.layer_shape, found.limits.json_size) == ((("lstm_1", (3, 6)),), 64 * 2**20)
