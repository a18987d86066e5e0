from __future__ import annotations

from pathlib import Path

import pytest
from support import builders

import lstmdump
from lstmdump.errors import NoSuchLayer
from lstmdump.report.facts import Report, describe, matching, select


def report_on(path: Path, layer: str | None = None) -> Report:
    with lstmdump.open(path) as model:
        return describe(model, select(model.lstms, layer))


def test_a_report_reads_no_numbers(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("h5py.Dataset.__getitem__", never)
    assert report_on(model).lstm_parameters == 4 * ((3 + 4) * 4 + 4)


def test_the_total_counts_the_lstms_and_the_other_layers(model: Path) -> None:
    report = report_on(model)
    assert (report.lstm_parameters, report.total) == (128, 128 + 4 + 1)


def test_the_lstms_and_the_other_arrays_add_up_to_the_total(model: Path) -> None:
    report = report_on(model)
    assert report.lstm_parameters + sum(other.parameters for other in report.others) == report.total


@pytest.mark.parametrize(
    ("glob", "chosen"),
    [("both", {"both/back", "both/there"}), ("both/b*", {"both/back"}), ("enc", {"enc"}), ("enc/*", {"enc/deep"}),
     ("bot", set()), ("back", set()), ("", set())],
)  # fmt: skip
def test_a_glob_matches_layers_or_else_the_layers_inside_a_match(glob: str, chosen: set[str]) -> None:
    assert matching(["both/there", "both/back", "enc", "enc/deep"], glob) == chosen


def test_a_glob_selects_layers(tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("enc_a", "enc_b", "dec")}
    report = report_on(builders.write(tmp_path / "a.h5", layers), "enc_*")
    assert [layer.name for layer in report.layers] == ["enc_a", "enc_b"]


def test_only_selected_layers_count_as_lstm_parameters(tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("a", "b")}
    report = report_on(builders.write(tmp_path / "a.h5", layers), "a")
    assert (report.lstm_parameters, report.total) == (128, 256)


def test_layers_are_said_to_be_found_by_shape_only_if_there_are_some(tmp_path: Path) -> None:
    note = "found by shape: the file holds no layer classes"
    found = report_on(builders.write(tmp_path / "a.h5", {"a": builders.keras_2_weights("a")}))
    none = report_on(builders.write(tmp_path / "b.h5", {"dense": builders.dense("dense")}))
    assert (found.notes, none.notes) == ((note,), ())


def test_a_note_on_several_layers_is_given_once(tmp_path: Path) -> None:
    layers = {
        name: [*builders.keras_2_weights(name)[:2], (f"{name}/bias:0", builders.numbers(32))] for name in ("a", "b")
    }
    report = report_on(builders.write(tmp_path / "a.h5", layers))
    assert [note.partition(": ")[0] for note in report.notes if "CuDNN" in note] == ["a, b"]


def test_a_keras_layer_adds_nothing_to_its_forget_bias_at_run_time(model: Path) -> None:
    assert report_on(model).layers[0].forget_bias == 0.0


def test_a_pattern_that_matches_no_layer_is_an_error(model: Path) -> None:
    with pytest.raises(NoSuchLayer, match=r"^no layer matches x\*; it has lstm_1$"):
        report_on(model, "x*")


@pytest.mark.parametrize(
    ("glob", "names"),
    [("dekoder*", "decoder, encoder, lstm_1"), ("LSTM", "lstm_1, encoder, decoder"), ("x", "encoder, decoder, lstm_1")],
)
def test_the_names_of_layers_come_nearest_first(glob: str, names: str, tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("encoder", "decoder", "lstm_1")}
    path = builders.write(tmp_path / "a.h5", layers)
    with lstmdump.open(path) as model, pytest.raises(NoSuchLayer) as caught:
        select(model.lstms, glob)
    assert str(caught.value) == f"no layer matches {glob}; it has {names}"


def test_any_pattern_is_allowed_for_a_model_without_lstm_layers(tmp_path: Path) -> None:
    assert report_on(builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")}), "x*").layers == ()


def others_named(path: Path) -> list[str]:
    return [note for note in report_on(path).notes if note.startswith("no LSTM layer; it has ")]


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("cases/convlstm2d-tfkeras2.21.keras", "ConvLSTM2D conv"),
        ("genuine/keras-2.2.4-tf1.12.0-py36-cudnngru.model.h5", "CuDNNGRU cu_dnngru_1"),
        (
            "genuine/keras-3.15.1-full-negatives.h5",
            "ConvLSTM2D conv_lstm2d, GRU gru, GRU gru_1, SimpleRNN simple_rnn",
        ),
    ],
)
def test_without_an_lstm_a_note_names_the_other_recurrent_layers(file: str, others: str, root: Path) -> None:
    assert others_named(root / "tests" / file) == [f"no LSTM layer; it has {others}"]


def test_a_simple_rnn_in_an_archive_is_named(tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("simple", kind="SimpleRNN"))
    arrays = [builders.numbers(3, 4), builders.numbers(4, 4), builders.numbers(4)]
    path = builders.keras_zip(tmp_path / "a.keras", config, {"layers/simple_rnn/cell": arrays})
    assert others_named(path) == ["no LSTM layer; it has SimpleRNN simple"]


def test_with_an_lstm_other_recurrent_layers_are_not_named(tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("a"), builders.lstm_config("b", kind="SimpleRNN"))
    arrays = [builders.numbers(4, 4), builders.numbers(4, 4), builders.numbers(4)]
    groups = {"layers/lstm/cell": builders.cell(), "layers/simple_rnn/cell": arrays}
    assert others_named(builders.keras_zip(tmp_path / "a.keras", config, groups)) == []
