"""The words at the door: commands, options and files that are mistaken for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("exprot", "export"),
        ("shwo", "show"),
        ("chekc", "check"),
        ("verfy", "verify"),
        ("lag", "lags"),
        ("Show", "show"),
    ],
)
def test_a_mistyped_command_is_named_before_any_option_is_read(word: str, meant: str, run: Run) -> None:
    outcome = run(word, "weather.h5", "-o", "out.npz", "--nonsense")
    assert (outcome.status, outcome.out, outcome.err) == (
        2, "", f'lstmdump: no command or file "{word}"; did you mean "{meant}"?\n'
    )  # fmt: skip


def test_a_word_near_no_command_is_reported(run: Run) -> None:
    outcome = run("weather", "-o", "out.npz")
    assert (outcome.status, outcome.err) == (2, 'lstmdump: no command or file "weather"; see `lstmdump --help`\n')


@pytest.mark.parametrize("word", ["none.h5", "./exprot", "models/exprot", "https://127.0.0.1:9/exprot"])
def test_a_path_that_does_not_exist_is_still_a_path(word: str, run: Run) -> None:
    outcome = run(word)
    assert (outcome.status, "no command" in outcome.err) == (2, False)


def test_a_file_with_the_name_of_a_mistyped_command_is_a_model(run: Run) -> None:
    builders.one_lstm(Path("exprot"))
    assert run("exprot").status == 0


@pytest.mark.parametrize("left", [".index", ".meta", ".data-00000-of-00001"])
def test_the_prefix_of_a_checkpoint_is_a_model(left: str, run: Run) -> None:
    Path(f"exprot{left}").write_bytes(b"")
    assert "no command" not in run("exprot").err


def test_an_option_comes_before_the_model(run: Run) -> None:
    builders.one_lstm(Path("a.h5"))
    assert run("--json", "a.h5").status == 0


@pytest.mark.parametrize("words", [["show"], [], ["lags"]])
def test_a_mistyped_option_is_named_with_the_nearest(words: list[str], run: Run) -> None:
    command = " ".join(words) or "show"
    assert run(*words, "--jsno", "a.h5").err == (
        f"lstmdump: no such option --jsno; did you mean --json? See `lstmdump {command} --help`\n"
    )


def test_an_option_near_no_other_is_reported(run: Run) -> None:
    assert run("show", "--nonsense").err == "lstmdump: no such option --nonsense; see `lstmdump show --help`\n"


def test_trace_says_that_it_takes_one_model(run: Run) -> None:
    outcome = run("trace", "a.h5", "b.h5", "-i", "x.npy", "-o", "y.npz")
    assert (outcome.status, outcome.err) == (
        2, "lstmdump: trace takes one MODEL, not 2; see `lstmdump trace --help`\n"
    )  # fmt: skip


def test_an_input_in_place_of_a_model_is_told_where_it_goes(run: Run) -> None:
    np.save("weather.x.npy", np.zeros((3, 3)))
    outcome = run("weather.x.npy")
    assert (outcome.status, outcome.err) == (
        2, "lstmdump: weather.x.npy: a NumPy .npy array; if it is an input, give it to trace or lags with -i\n"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["weather.h5", 'a "b"\\ü.h5'])
@pytest.mark.parametrize("options", [[], ["--compress"]])
def test_an_archive_of_ours_names_its_model(name: str, options: list[str], run: Run) -> None:
    builders.one_lstm(Path(name))
    run("export", name, "-o", "gates.npz", *options)
    outcome = run("gates.npz")
    assert outcome.status == 2
    assert outcome.err.startswith(f"lstmdump: gates.npz: a NumPy .npz archive, exported from {name}; give that model")


def test_states_name_their_model(run: Run) -> None:
    builders.one_lstm(Path("a.h5"))
    np.save("x.npy", np.zeros((5, 3)))
    run("trace", "a.h5", "-i", "x.npy", "-o", "states.npz")
    assert "exported from a.h5" in run("states.npz").err


@pytest.mark.parametrize(
    "record", [b"", b"x", b'{"model": "' * 99, b"\n{\0\0\0", '\n{"model": "\\x"'.encode("utf-32-le")]
)
def test_an_archive_with_a_damaged_record_is_an_archive(record: bytes, run: Run) -> None:
    import zipfile

    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("__lstmdump__.npy", record)
    assert run("a.npz").err == "lstmdump: a.npz: a NumPy .npz archive\n"


def test_one_number_is_singular(run: Run) -> None:
    builders.write(Path("a.h5"), {"lstm_1": builders.keras_2_weights("lstm_1")})
    np.save("x.npy", np.zeros((5, 1)))
    outcome = run("trace", "a.h5", "-i", "x.npy", "-o", "y.npz")
    assert outcome.err == "lstmdump: a.h5: the input has 1 number at each step, but lstm_1 takes 3\n"
