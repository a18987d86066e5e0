from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from support import builders

from lstmdump.cli.commands import show
from lstmdump.report.explain import SECTIONS
from lstmdump.report.plot import kinds

Run = Callable[..., Any]


def test_a_model_alone_is_shown(run: Run, model: Path) -> None:
    assert run(model).out == run("show", model).out


def test_options_may_come_before_the_model(run: Run, model: Path) -> None:
    assert json.loads(run("--json", model).out)["model"] == str(model)


def test_shapes_have_their_reason(run: Run, model: Path) -> None:
    out = run(model).out
    assert "(3, 16) = 3×4·4" in out
    assert "(16,) = 4·4" in out
    assert "4·((3+4)·4 + 4) = 128" in out


def test_json_is_one_object_a_line(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    assert [json.loads(line)["model"] for line in run("show", "--json", model, other).out.splitlines()] == [
        str(model),
        str(other),
    ]


def test_json_has_the_keys_of_the_contract(run: Run, model: Path) -> None:
    shown = json.loads(run("show", "--json", model).out)
    assert shown["parameters"] == {"lstm": 128, "total": 133}
    assert shown["layers"][0]["weights"][0] == {
        "name": "kernel",
        "tensor": "model_weights/lstm_1/lstm_1/kernel:0",
        "shape": [3, 16],
        "dtype": "float32",
        "parameters": 48,
        "formula": "3×4·4",
    }


def test_all_lists_the_other_arrays(run: Run, model: Path) -> None:
    others = json.loads(run("show", "--json", "--all", model).out)["others"]
    assert others[0] == {
        "tensor": "model_weights/dense_1/dense_1/kernel:0", "shape": [4, 1], "dtype": "float32", "parameters": 4
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "letter"),
    [
        ("I", "i"),
        ("input", "i"),
        ("F", "f"),
        ("Forget", "f"),
        ("candidate", "c"),
        ("j", "c"),
        ("G", "c"),
        ("output", "o"),
    ],
)
def test_a_gate_may_be_given_by_name_or_by_the_letter_of_another_framework(
    given: str, letter: str, run: Run, model: Path
) -> None:
    outcome = run(model, "-g", given)
    assert outcome.status == 0
    assert outcome.out == run(model, "-g", letter).out


def test_an_unknown_gate_is_refused_with_the_gates_that_there_are(run: Run, model: Path) -> None:
    outcome = run(model, "-g", "x")
    assert outcome.status == 2
    for name in ("i (input)", "f (forget)", "c (candidate; in other frameworks j or g)", "o (output)"):
        assert name in outcome.err


def test_values_prints_each_gate_under_its_name(run: Run, model: Path) -> None:
    lines = run("show", "--values", model).out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("lstm_1/")] == [
        f"lstm_1/{array}_{gate}" for gate in "ifco" for array in "WUb"
    ]


def test_values_are_those_of_the_model(run: Run, model: Path) -> None:
    first = builders.gates(3, 4)["b_f"][0]
    out = run("show", "-g", "f", model).out
    assert f"{first:.5f}"[:6] in out.partition("lstm_1/b_f")[2]


def test_a_gate_alone_prints_that_gate(run: Run, model: Path) -> None:
    lines = run("show", "-g", "f", model).out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("lstm_1/")] == [
        "lstm_1/W_f",
        "lstm_1/U_f",
        "lstm_1/b_f",
    ]


def test_stats_are_added_to_the_table_and_to_json(run: Run, model: Path) -> None:
    assert "time scale 1/(1-σ(b_f))" in run("show", "--stats", model).out
    assert set(json.loads(run("show", "--stats", "--json", model).out)["stats"]["lstm_1"]) == {
        "time_scale", *(f"{array}_{gate}" for gate in "ifco" for array in "WUb")
    }  # fmt: skip


def test_a_model_is_shown_and_plotted(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("show", model, "--plot", tmp_path / "x.png")
    assert (outcome.status, outcome.err, outcome.out) == (0, "", run("show", model).out)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_a_plot_go_together(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("show", "--json", model, "--plot", tmp_path / "x.svg").out == run("show", "--json", model).out
    assert (tmp_path / "x.svg").is_file()


def test_a_plot_of_several_models_has_a_page_for_each_layer_that_names_its_model(
    run: Run, model: Path, tmp_path: Path
) -> None:
    other = builders.write(tmp_path / "b.h5", {name: builders.keras_2_weights(name) for name in ("a", "b")})
    assert run("show", model, other, "--plot", tmp_path / "x.pdf").status == 0
    assert (tmp_path / "x.pdf").read_bytes().count(b"/Type /Page ") == 3


def test_one_page_names_no_model_but_one_of_several_found_does(run: Run, model: Path, tmp_path: Path) -> None:
    run("show", model, "--plot", tmp_path / "one.svg")
    run("show", "-r", model.parent, "--plot", tmp_path / "found.svg")
    drawn = [(tmp_path / name).read_text() for name in ("one.svg", "found.svg")]  # a long path is shortened at its head
    assert [f"{model.name}</text>" in text for text in drawn] == [False, True]


def test_a_bad_model_is_reported_and_the_rest_is_plotted(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    outcome = run("show", "-q", tmp_path / "bad.h5", model, "--plot", tmp_path / "x.pdf")
    assert (outcome.status, outcome.err.count("\n"), (tmp_path / "x.pdf").is_file()) == (2, 1, True)


def test_a_gate_alone_is_plotted(run: Run, model: Path, tmp_path: Path) -> None:
    assert "lstm_1/" not in run("show", "-g", "f", model, "--plot", tmp_path / "x.svg").out
    drawn = (tmp_path / "x.svg").read_text()
    assert ("W_f  (3, 4)" in drawn, "W_i  (3, 4)" in drawn) == (True, False)


@pytest.mark.parametrize(
    ("kind", "words"), [("heat", ">unit at t − 1<"), ("hist", ">numbers<"), ("spectrum", ">real part<")]
)
def test_the_kind_of_picture_is_chosen(kind: str, words: str, run: Run, model: Path, tmp_path: Path) -> None:
    assert run("show", model, "--plot", tmp_path / "x.svg", "--plot-kind", kind).status == 0
    assert words in (tmp_path / "x.svg").read_text()


def test_each_kind_has_a_page_of_each_layer(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights(name) for name in ("a", "b")})
    kinds = ["--plot-kind", "hist", "--plot-kind", "spectrum", "--plot-kind", "hist"]
    assert run("show", path, "--plot", tmp_path / "x.pdf", *kinds).status == 0
    assert (tmp_path / "x.pdf").read_bytes().count(b"/Type /Page ") == 4


def test_several_kinds_do_not_fit_on_one_page(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("show", model, "--plot", tmp_path / "x.png", "--plot-kind", "hist", "--plot-kind", "heat")
    assert (outcome.status, outcome.out, (tmp_path / "x.png").exists()) == (2, "", False)
    assert outcome.err == (
        f"lstmdump: {tmp_path / 'x.png'} holds one page, and there are more; give one --plot-kind, or name a .pdf\n"
    )


def test_a_kind_without_a_plot_is_a_usage_error(run: Run, model: Path) -> None:
    outcome = run("show", "--plot-kind", "hist", model)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "lstmdump: --plot-kind goes with --plot; see `lstmdump show --help`\n"


def test_an_unknown_kind_is_a_usage_error(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("show", model, "--plot", tmp_path / "x.png", "--plot-kind", "pie")
    assert (outcome.status, outcome.out, "'pie' is not one of 'heat', 'hist', 'spectrum'" in outcome.err) == (
        2,
        "",
        True,
    )


def test_the_kinds_are_those_that_can_be_drawn() -> None:
    assert show._PICTURES == kinds.KINDS


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_the_picture_is_the_same_where_another_process_reads_the_model(
    kind: str, run: Run, model: Path, tmp_path: Path
) -> None:
    linked = builders.one_lstm(tmp_path / "linked.h5")
    builders.change(linked, lambda file: file.__setitem__("model_weights/soft", h5py.SoftLink("/model_weights")))
    for path in (model, linked):
        assert run("show", path, "--plot", path.with_suffix(".svg"), "--plot-kind", kind).status == 0
    assert linked.with_suffix(".svg").read_bytes() == model.with_suffix(".svg").read_bytes()


def test_several_layers_do_not_fit_on_one_page(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights(name) for name in ("a", "b")})
    outcome = run("show", path, "--plot", tmp_path / "x.png")
    assert (outcome.status, (tmp_path / "x.png").exists()) == (2, False)
    assert outcome.err == (
        f"lstmdump: {tmp_path / 'x.png'} holds one page, and there are more; choose a layer with -l, or name a .pdf\n"
    )
    assert run("show", "-l", "b", path, "--plot", tmp_path / "x.png").status == 0


def test_without_a_layer_there_is_nothing_to_plot(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("show", "-q", path, "--plot", tmp_path / "x.pdf")
    assert (outcome.status, outcome.err) == (
        2, f"lstmdump: there is nothing to draw, so {tmp_path / 'x.pdf'} is not written\n"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["x.jpg", "there.pdf"])
def test_an_impossible_plot_is_reported_before_anything_is_read(
    name: str, run: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.pdf").write_text("mine")
    outcome = run("show", model, "--plot", tmp_path / name)
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert (tmp_path / "there.pdf").read_text() == "mine"


def test_a_plot_is_overwritten_with_force(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_text("mine")
    assert run("show", "-f", model, "--plot", tmp_path / "x.pdf").status == 0
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("found", [False, True])
def test_a_plot_does_not_overwrite_a_model(run: Run, model: Path, tmp_path: Path, found: bool) -> None:
    pytest.importorskip("matplotlib")
    path = model.rename(tmp_path / "model.png")
    before = path.read_bytes()
    outcome = run("show", *(["-r", tmp_path] if found else [path]), "--plot", path, "--force")
    assert (outcome.status, outcome.out, path.read_bytes() == before) == (2, "", True)
    assert outcome.err == f"lstmdump: {path} is itself one of the models to be read; nothing was written\n"


def test_force_without_a_plot_is_a_usage_error(run: Run, model: Path) -> None:
    assert run("show", "-f", model).err == "lstmdump: --force goes with --plot or --html; see `lstmdump show --help`\n"


def test_values_and_json_exclude_each_other(run: Run, model: Path) -> None:
    outcome = run("show", "--values", "--json", model)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("lstmdump: --values prints text")


def test_a_gate_with_json_requires_statistics_or_a_plot(run: Run, model: Path) -> None:
    outcome = run("show", "-g", "f", "--json", model)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("lstmdump: with --json, --gate goes with --stats or --plot;")


def test_a_bad_model_does_not_stop_the_rest(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    outcome = run("show", "-q", tmp_path / "bad.h5", model)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {tmp_path / 'bad.h5'}: an empty file\n")
    assert "lstm_1" in outcome.out


def test_json_has_an_error_for_a_bad_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    assert json.loads(run("show", "--json", tmp_path / "bad.h5").out) == {
        "model": str(tmp_path / "bad.h5"),
        "error": "an empty file",
    }


def test_a_model_without_an_lstm_is_not_an_error(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("show", "--json", path)
    assert (outcome.status, json.loads(outcome.out)["layers"]) == (0, [])
    assert outcome.err == f"lstmdump: {path}: no LSTM layer in this model\n"


def test_quiet_hides_the_note_on_a_model_without_an_lstm(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    assert run("show", "-q", path).err == ""


def test_a_glob_that_matches_nothing_is_reported(run: Run, model: Path) -> None:
    outcome = run("show", "-l", "gru*", model)
    assert (outcome.status, outcome.out, outcome.err) == (
        2,
        "",
        f"lstmdump: {model}: no layer matches gru*; it has lstm_1\n",
    )


def test_a_glob_that_matches_nothing_is_an_error_in_json(run: Run, model: Path) -> None:
    assert json.loads(run("show", "--json", "-l", "lstm", model).out) == {
        "model": str(model),
        "error": "no layer matches lstm; it has lstm_1",
    }


def test_models_are_listed_in_a_file(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{model}\n\n{model}\r\n")
    assert len(run("show", "--json", "-T", tmp_path / "list").out.splitlines()) == 2


@pytest.mark.skipif(os.name != "posix", reason="no name of a file of Windows has a newline")
def test_models_are_listed_with_nul_separators(run: Run, tmp_path: Path) -> None:
    path = builders.one_lstm(tmp_path / "a\nb.h5")
    (tmp_path / "list").write_bytes(os.fsencode(path) + b"\0")
    assert json.loads(run("show", "--json", "-0", "-T", tmp_path / "list").out)["model"] == str(path)


def test_models_are_listed_on_stdin(process: Run, model: Path) -> None:
    done = process("show", "--json", "-T", "-", input=f"{model}\n")
    assert json.loads(done.stdout)["model"] == str(model)


def test_null_requires_a_list(run: Run, model: Path) -> None:
    assert run("show", "-0", model).err == "lstmdump: --null goes with --files-from; see `lstmdump show --help`\n"


def test_a_missing_list_is_reported(run: Run, tmp_path: Path) -> None:
    outcome = run("show", "-T", tmp_path / "none")
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {tmp_path / 'none'}: the list cannot be read: No such file or directory\n",
    )


def test_recursion_finds_models_and_skips_other_files(run: Run, tmp_path: Path) -> None:
    import h5py

    (tmp_path / "b" / "c").mkdir(parents=True)
    builders.one_lstm(tmp_path / "z.h5")
    builders.one_lstm(tmp_path / "b" / "c" / "model.dat")
    (tmp_path / "b" / "readme.txt").write_text("hello")
    h5py.File(tmp_path / "b" / "data.h5", "w").close()
    outcome = run("show", "--json", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (0, "lstmdump: 2 shown, 0 failed, 2 passed over\n")
    assert [json.loads(line)["model"] for line in outcome.out.splitlines()] == [
        str(tmp_path / "b" / "c" / "model.dat"),
        str(tmp_path / "z.h5"),
    ]


def test_recursion_takes_a_directory_or_shards_for_one_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    cell = builders.cell()
    config = builders.sequential(builders.lstm_config("only"))
    for name, content in builders.members(config, builders.saved_bytes({"layers/lstm/cell": cell})).items():
        (tmp_path / "a" / name).write_bytes(content)
    builders.saved(tmp_path / "b_00000.weights.h5", {"layers/lstm/cell": cell})
    (tmp_path / "b.weights.json").write_text('{"weight_map": {"/layers/lstm/cell/vars": "b_00000.weights.h5"}}')
    outcome = run("show", "--json", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (0, "lstmdump: 2 shown, 0 failed, 0 passed over\n")
    assert [json.loads(line)["model"] for line in outcome.out.splitlines()] == [
        str(tmp_path / "a"),
        str(tmp_path / "b.weights.json"),
    ]


def test_recursion_reports_a_damaged_model(run: Run, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-50])
    assert "cut short" in run("show", "-r", model.parent).err


def test_a_missing_directory_is_reported(run: Run, tmp_path: Path) -> None:
    outcome = run("show", "-r", tmp_path / "none")
    with pytest.raises(FileNotFoundError) as error:
        list((tmp_path / "none").iterdir())
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {tmp_path / 'none'}: cannot be searched: {error.value.strerror}\n",
    )


def test_an_unreadable_directory_does_not_stop_the_rest(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("show", "--json", model, "-r", tmp_path / "none", "-T", tmp_path / "no list")
    assert (outcome.status, len(outcome.err.splitlines())) == (2, 3)
    assert outcome.err.endswith("lstmdump: 1 shown, 2 failed, 0 passed over\n")
    assert [json.loads(line)["model"] for line in outcome.out.splitlines() if "error" not in line] == [str(model)]


def test_a_deep_tree_is_searched_to_its_end(run: Run, tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(60):
        deep = deep / "d"
        deep.mkdir()
    builders.one_lstm(deep / "a.h5")
    assert json.loads(run("show", "--json", "-r", tmp_path).out)["model"] == str(deep / "a.h5")


def test_a_search_without_models_is_reported(run: Run, tmp_path: Path) -> None:
    outcome = run("show", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (2, "lstmdump: no model found\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_may_be_in_the_encodings_that_shells_write(encoding: str, run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(f"{model}\r\n".encode(encoding))
    assert run("show", "--json", "-T", tmp_path / "list").status == 0


def test_the_table_says_that_layers_are_left_out(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights(name) for name in ("a", "b")})
    out = run("show", "-l", "a", path).out
    assert "1 of 2 LSTM layers" in out
    assert "these layers" in out


def test_the_time_scale_is_shown_with_the_forget_gate_only(run: Run, model: Path) -> None:
    assert "time scale" not in run("show", "--stats", "-g", "i", model).out


def test_no_model_is_a_usage_error(run: Run) -> None:
    outcome = run("show")
    assert (outcome.status, outcome.err) == (2, "lstmdump: no MODEL given; see `lstmdump show --help`\n")


@pytest.mark.skipif(os.name != "posix", reason="no name of a file of Windows has control characters")
def test_a_path_with_control_characters_is_shown_escaped(run: Run, tmp_path: Path) -> None:
    assert "a\\x1b[31m.h5: no such file or directory" in run(tmp_path / "a\x1b[31m.h5").err


@pytest.mark.skipif(sys.platform != "linux", reason="file names of other systems are text")
def test_a_path_that_is_not_valid_text_is_kept_in_json(process: Run, tmp_path: Path) -> None:
    path = os.fsencode(builders.one_lstm(tmp_path / "a.h5"))
    other = path.replace(b"a.h5", b"a\xff.h5")
    Path(os.fsdecode(path)).rename(os.fsdecode(other))
    done = process("show", "--json", os.fsdecode(other))
    assert json.loads(done.stdout)["model"] == os.fsdecode(other)


@pytest.mark.parametrize(("variable", "coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False), ("TERM", False)])
def test_colour_is_for_terminals_or_on_request(variable: str, coloured: bool, process: Run, model: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    done = process("show", model, env={**environment, variable: "1"})
    assert ("\x1b[" in done.stdout) == coloured


@pytest.mark.parametrize("command_name", [["show"], []])
def test_layer_names_complete(command_name: list[str], model: Path) -> None:
    from click.shell_completion import ShellComplete

    from lstmdump.cli import command

    completer = ShellComplete(command, {}, "lstmdump", "_LSTMDUMP_COMPLETE")
    assert [item.value for item in completer.get_completions([*command_name, str(model), "-l"], "lst")] == ["lstm_1"]


def test_files_complete_in_place_of_a_command() -> None:
    from click.shell_completion import ShellComplete

    from lstmdump.cli import command

    completer = ShellComplete(command, {}, "lstmdump", "_LSTMDUMP_COMPLETE")
    assert ("file", "w") in [(item.type, item.value) for item in completer.get_completions([], "w")]


def test_the_explanation_is_below_the_table(run: Run, model: Path) -> None:
    assert run("show", "--explain", model).out.startswith(run("show", model).out + "\nlstm_1, explained\n")


def test_only_selected_layers_are_explained(run: Run, tmp_path: Path) -> None:
    layers = {"a": builders.keras_2_weights("a"), "b": builders.keras_2_weights("b", 4, 5)}
    path = builders.write(tmp_path / "two.h5", layers)
    out = run("show", "--explain", "-l", "b", path).out
    assert [line for line in out.splitlines() if line.endswith("explained")] == ["b, explained"]


def test_explain_and_json_exclude_each_other(run: Run, model: Path) -> None:
    outcome = run("show", "--explain", "--json", model)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("lstmdump: --explain prints text")


def test_explain_adds_nothing_for_a_model_without_an_lstm(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    assert run("show", "--explain", path).out == run("show", path).out


def test_explain_reads_no_numbers(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.model.tensor.Tensor.read", None)
    assert run("show", "--explain", model).status == 0


def test_other_recurrent_layers_are_named_on_stderr(run: Run, root: Path) -> None:
    path = root / "tests" / "cases" / "convlstm2d-tfkeras2.21.keras"
    assert run("--json", path).err == f"lstmdump: {path}: no LSTM layer; it has ConvLSTM2D conv\n"


def test_one_section_is_explained_without_the_table(run: Run, model: Path) -> None:
    out = run("show", model, "--explain=gates").out
    head, _, rest = out.partition("\n\n")
    assert head == "\n".join(run("show", model).out.splitlines()[:2])
    assert rest.startswith("lstm_1, explained\n\nWhich slice is which gate?\n")
    assert "equations" not in rest


@pytest.mark.parametrize(
    "arguments", [("--explain", "gates", "{}"), ("{}", "--explain", "Gates"), ("show", "--explain=gates", "{}")]
)
def test_the_section_may_be_the_next_argument(arguments: tuple[str, ...], run: Run, model: Path) -> None:
    chosen = run(*(argument.format(model) for argument in arguments))
    assert chosen == run(model, "--explain=gates")
    assert chosen.status == 0


@pytest.mark.parametrize(
    "arguments", [("--explain", "{}"), ("{}", "--explain"), ("--explain", "-q", "{}"), ("--explain", "--", "{}")]
)
def test_explain_alone_takes_no_model_for_a_section(arguments: tuple[str, ...], run: Run, model: Path) -> None:
    assert run(*(argument.format(model) for argument in arguments)).out == run(model, "--explain=all").out


def test_a_file_called_as_a_section_is_a_model(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model.rename("gates")
    assert run("--explain", "gates").out == run("gates", "--explain").out


def test_the_prefix_of_a_checkpoint_is_not_a_section(
    run: Run, projected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projected.parent)
    assert run("--explain", "x").out == run("x", "--explain").out


@pytest.mark.parametrize("arguments", [("--explain=gtes",), ("--explain", "gtes")])
def test_an_unknown_section_is_refused_with_all_that_there_are(
    arguments: tuple[str, ...], run: Run, model: Path
) -> None:
    outcome = run(model, *arguments)
    assert outcome.status == 2
    assert 'no section (or file) "gtes"; the sections are equations, shapes, time, gates, ' in outcome.err


def test_the_help_names_every_section(run: Run) -> None:
    words = " ".join(run("show", "--help").out.split())
    assert f"only {', '.join(list(SECTIONS)[:-1])} or {list(SECTIONS)[-1]}." in words


@pytest.mark.parametrize(
    ("before", "incomplete", "values"),
    [
        (["show", "-g"], "in", ["input"]),
        (["show", "--format"], "", ["table", "json", "csv"]),
        (["show"], "--explain=s", ["shapes", "states"]),
        (["show", "--color"], "", ["auto", "always", "never"]),
    ],
)
def test_the_values_of_options_are_completed(before: list[str], incomplete: str, values: list[str]) -> None:
    from click.shell_completion import ShellComplete

    from lstmdump.cli import command

    completer = ShellComplete(command, {}, "lstmdump", "_LSTMDUMP_COMPLETE")
    assert [item.value for item in completer.get_completions(before, incomplete)] == values


def test_csv_has_a_row_for_each_array(run: Run, model: Path) -> None:
    head, *rows = csv.reader(run("--format", "csv", model).out.splitlines())
    assert head == ["model", "layer", "class", "array", "tensor", "shape", "dtype", "parameters", "formula"]
    stored = "model_weights/lstm_1/lstm_1/"
    assert rows == [
        [str(model), "lstm_1", "LSTM", "kernel", f"{stored}kernel:0", "(3, 16)", "float32", "48", "3×4·4"],
        [
            str(model),
            "lstm_1",
            "LSTM",
            "recurrent_kernel",
            f"{stored}recurrent_kernel:0",
            "(4, 16)",
            "float32",
            "64",
            "4×4·4",
        ],
        [str(model), "lstm_1", "LSTM", "bias", f"{stored}bias:0", "(16,)", "float32", "16", "4·4"],
    ]


def test_csv_of_several_models_has_one_head(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    rows = list(csv.DictReader(run("--format", "csv", model, other).out.splitlines()))
    assert [row["model"] for row in rows] == [str(model)] * 3 + [str(other)] * 3


def test_csv_of_all_arrays_adds_up_to_the_whole_model(run: Run, model: Path) -> None:
    rows = list(csv.DictReader(run("--format", "csv", "--all", model).out.splitlines()))
    assert sum(int(row["parameters"]) for row in rows) == 133
    assert [row["tensor"] for row in rows if not row["layer"]] == [
        "model_weights/dense_1/dense_1/kernel:0", "model_weights/dense_1/dense_1/bias:0",
    ]  # fmt: skip


def test_csv_is_utf_8_in_any_encoding(model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", "--format", "csv", str(model)],
        capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert "3×4·4" in done.stdout.decode("utf-8")


def test_a_file_that_cannot_be_read_has_no_row(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    outcome = run("--format", "csv", tmp_path / "bad.h5", model)
    assert (outcome.status, outcome.out) == (2, run("--format", "csv", model).out)


def test_notes_go_to_stderr_with_csv(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"a": builders.keras_2_weights("a")})
    notes = json.loads(run("--json", path).out)["notes"]
    assert notes
    assert run("--format", "csv", path).err == "".join(f"lstmdump: {path}: note: {note}\n" for note in notes)
    assert run("--format", "csv", "-q", path).err == ""


@pytest.mark.parametrize("form", ["table", "json"])
def test_the_format_may_be_named(form: str, run: Run, model: Path) -> None:
    assert run(model, "--format", form) == run(model, *(["--json"] if form == "json" else []))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--json", "--format", "csv"), "--json is --format json; leave it or --format csv out"),
        (("--format", "csv", "--values"), "--values prints text"),
        (("--format", "csv", "--explain"), "--explain prints text; leave one of --explain and --format csv out"),
        (("--format", "csv", "--stats"), "--stats has no rows in CSV; use --json"),
        (("--format", "csv", "-g", "f"), "with --format csv, --gate goes with --plot"),
    ],
)
def test_formats_that_have_no_place_for_an_option_are_refused(
    options: tuple[str, ...], message: str, run: Run, model: Path
) -> None:
    outcome = run(model, *options)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"lstmdump: {message}")


HINT = "--explain says what all of it means; lstmdump export writes the gates\n"


def test_on_a_terminal_the_last_line_points_to_what_says_more(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmdump.cli.terminal.width", lambda: 80)
    once = run(model).out
    assert once.endswith(f"\n\n{HINT}")
    assert run(model, model).out.count(HINT) == 1


def test_the_last_line_is_dim(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.cli.terminal.width", lambda: 80)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(model).out.endswith(f"\x1b[2m{HINT[:-1]}\x1b[0m\n")


@pytest.mark.parametrize(
    "options", [("-q",), ("--json",), ("--format", "csv"), ("--explain",), ("--stats",), ("--values",)]
)
def test_the_last_line_is_left_out_where_it_would_be_in_the_way(
    options: tuple[str, ...], run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmdump.cli.terminal.width", lambda: 80)
    assert "--explain" not in run(model, *options).out


def test_the_last_line_is_left_out_in_a_pipe_and_without_a_layer(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HINT not in run(model).out
    monkeypatch.setattr("lstmdump.cli.terminal.width", lambda: 80)
    assert HINT not in run(builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})).out
