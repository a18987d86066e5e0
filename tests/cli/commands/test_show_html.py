"""`show --html`: what is written, what is refused, and the exit status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.html_parsing import Parsed

Run = Callable[..., Any]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


@pytest.fixture
def x(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", builders.numbers(2, 6, 3))
    return tmp_path / "x.npy"


def headings(page: Path) -> list[str]:
    parsed = Parsed(page.read_text("utf-8"))
    assert parsed.faults == []
    return [element.tag for element in parsed.elements if element.tag in ("h2", "h3")]


def test_a_page_is_written_and_the_table_printed(run: Run, model: Path, page: Path) -> None:
    outcome = run("show", model, "--html", page)
    assert (outcome.status, outcome.out, outcome.err) == (0, run("show", model).out, "")
    assert headings(page) == ["h2", "h3", "h3"]
    assert "(3, 16) = 3×4·4" in page.read_text("utf-8")


def test_with_an_input_the_page_has_the_lags_that_are_printed(run: Run, model: Path, page: Path, x: Path) -> None:
    assert run("show", model, "--html", page, "-i", x).status == 0
    shown = Parsed(page.read_text("utf-8")).text
    answer = next(line for line in run("lags", model, "-i", x).out.splitlines() if "influence on" in line)
    assert answer in shown
    assert headings(page) == ["h2", "h3", "h3", "h3"]


def test_an_input_may_have_a_name(run: Run, samples: Path, page: Path) -> None:
    network = samples / "keras-2.2.0-weather.h5"
    x = samples / "weather.x.npy"
    outcome = run("show", network, "--html", page, "-i", f"nowhere={x}")
    assert (outcome.status, "nowhere" in outcome.err) == (2, True)
    assert run("show", network, "--html", page, "-f", "-i", f"lstm_1_input={x}").status == 0


def test_a_layer_can_be_chosen(run: Run, tmp_path: Path, page: Path) -> None:
    path = builders.write(tmp_path / "two.h5", {key: builders.keras_2_weights(key) for key in ("one", "two")})
    assert run("show", path, "--html", page, "-l", "two").status == 0
    assert "Heat map of W_i of two" in page.read_text("utf-8")
    assert "Heat map of W_i of one" not in page.read_text("utf-8")


def test_one_gate_is_drawn_on_request(run: Run, model: Path, page: Path) -> None:
    outcome = run("show", model, "--html", page, "-g", "f")
    assert outcome.out == run("show", model).out
    assert "W_f" in page.read_text("utf-8")
    assert "Heat map of W_i" not in page.read_text("utf-8")


def test_json_and_a_page_go_together(run: Run, model: Path, page: Path) -> None:
    assert run("show", "--json", model, "--html", page).out == run("show", "--json", model).out
    assert page.exists()


def test_a_picture_and_a_page_go_together(run: Run, model: Path, page: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("show", model, "--html", page, "--plot", tmp_path / "x.png").status == 0
    assert (page.exists(), (tmp_path / "x.png").exists()) == (True, True)


def test_all_lists_the_other_arrays_in_the_page(run: Run, model: Path, page: Path) -> None:
    run("show", "--all", model, "--html", page)
    assert "dense_1/dense_1/kernel:0" in page.read_text("utf-8")


def test_a_model_that_cannot_be_read_is_reported_in_the_page_and_on_stderr(
    run: Run, model: Path, page: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.h5").write_bytes(model.read_bytes()[:3000])
    outcome = run("show", "-q", tmp_path / "bad.h5", tmp_path / "none.h5", model, "--html", page)
    assert outcome.status == 2
    assert [line.split(": ")[1] for line in outcome.err.splitlines()] == [
        str(tmp_path / "bad.h5"),
        str(tmp_path / "none.h5"),
    ]
    shown = Parsed(page.read_text("utf-8")).text
    assert all(line.split(": ", 2)[2] in shown for line in outcome.err.splitlines())
    assert headings(page) == ["h2", "h2", "h2", "h3", "h3"]


def test_lags_that_cannot_be_computed_leave_the_table(run: Run, model: Path, page: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", builders.numbers(2, 6, 5))
    outcome = run("show", model, "--html", page, "-i", tmp_path / "wide.npy")
    assert outcome.status == 2
    shown = Parsed(page.read_text("utf-8")).text
    assert outcome.err.strip().split(": ", 2)[2] in shown
    assert "(3, 16) = 3×4·4" in shown


def test_an_input_that_does_not_fit_is_sent_to_the_command_that_takes_that_of_a_layer(
    run: Run, samples: Path, page: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "wrong.npy", np.zeros((1, 9, 7), np.float32))
    outcome = run("show", samples / "keras-2.2.0-weather.h5", "--html", page, "-i", tmp_path / "wrong.npy")
    assert outcome.status == 2
    assert "; lstmdump lags --into LAYER gives a layer its own input" in outcome.err


def test_found_and_listed_models_are_in_the_page(run: Run, model: Path, page: Path, tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    builders.one_lstm(tmp_path / "found" / "one.h5")
    (tmp_path / "list.txt").write_text(f"{model}\n")
    assert run("show", "-T", tmp_path / "list.txt", "-r", tmp_path / "found", "--html", page).status == 0
    assert headings(page).count("h2") == 2


def test_an_existing_file_is_not_overwritten_unless_forced(run: Run, model: Path, page: Path) -> None:
    page.write_text("old")
    outcome = run("show", model, "--html", page)
    assert (outcome.status, page.read_text()) == (2, "old")
    assert "use --force" in outcome.err
    assert run("show", model, "--html", page, "-f").status == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_page_is_never_written_over_a_model(run: Run, model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.html"
    copy.write_bytes(model.read_bytes())
    outcome = run("show", copy, "--html", copy, "-f")
    assert (outcome.status, copy.read_bytes()) == (2, model.read_bytes())
    assert "itself one of the models" in outcome.err


def test_a_page_is_never_written_over_an_input(run: Run, model: Path, tmp_path: Path, x: Path) -> None:
    copy = tmp_path / "x.html"
    copy.write_bytes(x.read_bytes())
    outcome = run("show", model, "--html", copy, "-i", copy, "-f")
    assert (outcome.status, copy.read_bytes()) == (2, x.read_bytes())
    assert "itself one of the files" in outcome.err


def test_a_file_that_is_no_page_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    before = other.read_bytes()
    outcome = run("show", model, "-f", "--html", other)
    assert (outcome.status, other.read_bytes()) == (2, before)
    assert "is not the name of a page; use .html" in outcome.err


def test_no_model_is_no_page(run: Run, tmp_path: Path, page: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("show", "-r", tmp_path / "empty", "--html", page).status == 2
    assert not page.exists()


def test_an_input_that_cannot_be_read_stops_before_anything_is_written(run: Run, model: Path, page: Path) -> None:
    outcome = run("show", model, "--html", page, "-i", "nowhere.npy")
    assert (outcome.status, outcome.out, page.exists()) == (2, "", False)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["-i", "x.npy"], "--input goes with --html"), (["-f"], "--force goes with --plot or --html")],
)
def test_options_of_a_page_need_a_page(options: list[str], words: str, run: Run, model: Path) -> None:
    outcome = run("show", model, *options)
    assert outcome.status == 2
    assert words in outcome.err
