from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import builders

pytest.importorskip("matplotlib")

import matplotlib as mpl
from matplotlib.figure import Figure

import lstmdump
from lstmdump.errors import BadInput, MissingDependency, ModelClosed, NothingToDraw
from lstmdump.lstm import LSTM
from lstmdump.replay import States
from lstmdump.replay.lags import LayerLags

LAGS = LayerLags("lstm_1", 1, 4, None, 2, 3, "the inputs given", "float64", (3.0, 1.0), (0.0,) * 2, ((3.0,), (1.0,)))


@pytest.fixture
def lstm(model: Path) -> Any:
    with lstmdump.open(model) as opened:
        yield opened.lstms[0]


def titles(figure: Figure) -> list[str]:
    return [axes.get_title().partition("  ")[0] for axes in figure.axes if axes.get_title()]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def states(batch: int = 2, steps: int = 5, units: int = 3) -> States:
    draw = np.random.default_rng(0).random
    return States(**{field.name: draw((batch, steps, units)) for field in fields(States)})


def shown(figure: Figure) -> dict[str, np.ndarray]:
    """Return the matrices of a figure of states, by the first word of their titles."""
    panels = [axes for axes in figure.axes if axes.get_title()]
    pictures = {axes.get_title().partition(":")[0]: [*axes.images, *axes.collections][0] for axes in panels}
    return {name: np.asarray(picture.get_array()) for name, picture in pictures.items()}


# Gates


@pytest.mark.parametrize("kind", ["heat", "hist"])
def test_all_arrays_of_all_gates_are_drawn(kind: str, lstm: LSTM) -> None:
    assert titles(lstmdump.plot.gates(lstm, kind=kind)) == [f"{array}_{gate}" for array in "WUb" for gate in "ifco"]


def test_heat_maps_are_drawn_by_default(lstm: LSTM) -> None:
    axes = lstmdump.plot.gates(lstm).axes[0]
    np.testing.assert_array_equal(np.asarray(axes.collections[0].get_array()), builders.gates(3, 4)["W_i"])


def test_the_spectrum_is_that_of_the_recurrent_kernels(lstm: LSTM) -> None:
    assert titles(lstmdump.plot.gates(lstm, kind="spectrum")) == ["U_i", "U_f", "U_c", "U_o"]


@pytest.mark.parametrize("kind", ["heat", "hist", "spectrum"])
def test_chosen_gates_are_drawn_in_the_usual_order(kind: str, lstm: LSTM) -> None:
    letters = [title[-1] for title in titles(lstmdump.plot.gates(lstm, gates="of", kind=kind))]
    assert letters[:2] == ["f", "o"]
    assert set(letters) == {"f", "o"}


def test_the_model_is_not_named(lstm: LSTM) -> None:
    assert texts(lstmdump.plot.gates(lstm)) == ["lstm_1", "LSTM · 3 inputs, 4 units"]


@pytest.mark.parametrize("gates", ["", "x", "ix"])
def test_an_unknown_gate_is_a_value_error(gates: str, lstm: LSTM) -> None:
    with pytest.raises(ValueError, match="not gates; give letters out of i, f, c and o"):
        lstmdump.plot.gates(lstm, gates=gates)


def test_an_unknown_kind_is_a_value_error(lstm: LSTM) -> None:
    with pytest.raises(ValueError, match="'pie' is not a kind of picture; give one of 'heat', 'hist', 'spectrum'"):
        lstmdump.plot.gates(lstm, kind="pie")


@pytest.mark.parametrize("kind", ["heat", "hist", "spectrum"])
def test_a_closed_model_is_reported(kind: str, model: Path) -> None:
    with lstmdump.open(model) as opened:
        closed = opened.lstms[0]
    with pytest.raises(ModelClosed):
        lstmdump.plot.gates(closed, kind=kind)


# States


@pytest.mark.parametrize("sequence", [0, 1, -1])
def test_the_chosen_sequence_is_drawn(sequence: int) -> None:
    made = states()
    drawn = shown(lstmdump.plot.states(made, sequence=sequence))
    assert set(drawn) == {"h", "c", "candidate", "i", "f", "o"}
    for name, values in drawn.items():
        np.testing.assert_array_equal(values, getattr(made, name)[sequence].T)


def test_the_head_says_which_sequence_it_is() -> None:
    assert texts(lstmdump.plot.states(states(), sequence=-1))[1] == "sequence 2 of 2 · 5 steps, 3 units"


def test_states_of_one_sequence_need_no_batch(lstm: LSTM) -> None:
    made = lstmdump.replay.run(lstm, np.ones((6, 3), np.float32))
    np.testing.assert_array_equal(shown(lstmdump.plot.states(made))["c"], made.c.T)


def test_the_name_is_that_of_the_states() -> None:
    named = SimpleNamespace(**vars(states()), name="$x_{ <b>\n", mask=None)
    assert texts(lstmdump.plot.states(named))[0] == "$x_{ <b>\\n"


def test_states_without_a_name_are_called_so() -> None:
    assert texts(lstmdump.plot.states(states()))[0] == "states of a layer"


def test_masked_steps_are_those_of_the_mask() -> None:
    mask = np.array([[True] * 5, [True, False, False, True, True]])
    masked = SimpleNamespace(**vars(states()), mask=mask)
    assert texts(lstmdump.plot.states(masked, sequence=1))[2] == "hatched: 2 masked steps, which the layer skips"
    assert len(texts(lstmdump.plot.states(masked))) == 2


def test_without_a_mask_steps_without_gates_are_masked(lstm: LSTM) -> None:
    made = lstmdump.replay.run(lstm, np.ones((6, 3), np.float32), mask=np.array([True, True, False, True, True, True]))
    assert texts(lstmdump.plot.states(made))[2] == "hatched: 1 masked step, which the layer skips"


def test_a_state_that_is_not_finite_is_no_masked_step() -> None:
    made = states()
    for field in fields(States):
        getattr(made, field.name)[0, 3] = np.nan
    assert texts(lstmdump.plot.states(made))[2] == "plain grey: not a finite number"


def test_a_projected_output_has_its_own_width() -> None:
    drawn = shown(lstmdump.plot.states(replace(states(), h=np.ones((2, 5, 2)))))
    assert (drawn["h"].shape, drawn["c"].shape) == ((2, 5), (3, 5))


@pytest.mark.parametrize("sequence", [2, -3])
def test_a_sequence_that_is_not_there_is_reported(sequence: int) -> None:
    with pytest.raises(BadInput, match=rf"^there is no sequence {sequence}: the states are those of 2$"):
        lstmdump.plot.states(states(), sequence=sequence)


@pytest.mark.parametrize(
    ("name", "shape"), [("i", (2, 5, 4)), ("f", (2, 4, 3)), ("h", (1, 5, 3)), ("o", (2, 5)), ("c", (5,))]
)
def test_arrays_that_do_not_belong_together_are_reported(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"both are \(batch, length, units\)"):
        lstmdump.plot.states(replace(states(), **{name: np.ones(shape)}))


def test_a_mask_of_another_shape_is_reported() -> None:
    with pytest.raises(BadInput, match=r"^the mask is \(2, 4\), but the states are \(batch, length\) = \(2, 5\)$"):
        lstmdump.plot.states(SimpleNamespace(**vars(states()), mask=np.ones((2, 4))))


def test_without_steps_there_is_nothing_to_draw() -> None:
    with pytest.raises(NothingToDraw):
        lstmdump.plot.states(states(steps=0))


# Lags


def heights(figure: Figure) -> list[list[float]]:
    return [[bar.get_height() for bar in axes.patches] for axes in figure.axes]


def test_the_bars_are_the_shares_of_the_lags() -> None:
    assert heights(lstmdump.plot.lags(LAGS)) == [[75.0, 25.0]]


def test_several_layers_have_a_panel_each() -> None:
    figure = lstmdump.plot.lags([LAGS, replace(LAGS, name="lstm_2", norms=(1.0, 1.0))])
    assert heights(figure) == [[75.0, 25.0], [50.0, 50.0]]
    assert [part.get_suptitle().partition("\n")[0] for part in figure.subfigs] == ["lstm_1", "lstm_2"]


def test_the_features_are_drawn_on_request() -> None:
    assert len(lstmdump.plot.lags(LAGS, by_feature=True).axes) > 1


def test_a_layer_without_numbers_has_the_reason_in_their_place() -> None:
    figure = lstmdump.plot.lags(replace(LAGS, norms=(), by_feature=(), no_point="it does not settle"), by_feature=True)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no numbers: it does not settle"]


def test_without_layers_there_is_nothing_to_draw() -> None:
    with pytest.raises(NothingToDraw, match=r"^there are no lags to draw$"):
        lstmdump.plot.lags([])


# Figures


def test_a_figure_is_one_of_matplotlib_but_not_of_pyplot() -> None:
    figure = lstmdump.plot.lags(LAGS)
    assert (isinstance(figure, Figure), figure.canvas.manager) == (True, None)


def test_a_notebook_has_a_png_to_show() -> None:
    assert lstmdump.plot.lags(LAGS)._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_a_notebook_has_no_html_beside_it() -> None:
    assert lstmdump.plot.lags(LAGS)._repr_html_() is None  # type: ignore[attr-defined]


def test_settings_of_the_user_change_nothing(lstm: LSTM) -> None:
    figure = lstmdump.plot.gates(lstm, kind="hist")
    expected, saved = figure._repr_png_(), io.BytesIO()  # type: ignore[attr-defined]
    mine = {"text.usetex": True, "xtick.labelsize": 20.0, "savefig.facecolor": "black", "savefig.dpi": 10.0}
    with mpl.rc_context(mine):
        again = lstmdump.plot.gates(lstm, kind="hist")
        assert again._repr_png_() == expected  # type: ignore[attr-defined]
        again.savefig(saved, format="png", dpi=figure.dpi)
    assert saved.getvalue() == expected


def test_settings_of_the_user_are_restored(lstm: LSTM) -> None:
    before = dict(mpl.rcParams)
    lstmdump.plot.gates(lstm)._repr_png_()  # type: ignore[attr-defined]
    assert dict(mpl.rcParams) == before


def test_matplotlib_is_imported_by_the_first_figure_only() -> None:
    code = "import lstmdump, sys; lstmdump.plot.gates; sys.exit(any(name in sys.modules for name in ('matplotlib', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pyplot_is_not_imported(model: Path) -> None:
    code = f"""
import sys, lstmdump
lstmdump.plot.gates(lstmdump.open({str(model)!r}).lstms[0])._repr_png_()
sys.exit("matplotlib.pyplot" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_error_gives_the_pip_command(lstm: LSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for draw in (
        lambda: lstmdump.plot.gates(lstm),
        lambda: lstmdump.plot.states(states()),
        lambda: lstmdump.plot.lags(LAGS),
    ):
        with pytest.raises(MissingDependency, match=r"^drawing needs matplotlib, .*; pip install matplotlib$"):
            draw()


@pytest.mark.parametrize("other", [None, 5, "lstm_1", [], {}])
def test_what_is_not_a_layer_is_a_type_error(other: object) -> None:
    with pytest.raises(TypeError, match=r"^lstm is of type .*; give an LSTM layer, such as model\[NAME\]$"):
        lstmdump.plot.gates(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("gates", [5, ["i"], {}])
def test_gates_that_are_not_letters_are_a_value_error(gates: object, lstm: LSTM) -> None:
    with pytest.raises(ValueError, match=r"are not gates; give letters out of i, f, c and o"):
        lstmdump.plot.gates(lstm, gates=gates)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [None, 5, {"h": np.zeros((2, 3))}, np.zeros((2, 3))])
def test_what_are_not_states_is_a_type_error(other: object) -> None:
    with pytest.raises(
        TypeError, match=r"^states is of type .*, which has no h, c, .*; give what trace returns of a layer"
    ):
        lstmdump.plot.states(other)  # type: ignore[arg-type]


@pytest.mark.parametrize("sequence", [None, 1.5, "0", float("nan")])
def test_a_sequence_that_is_not_a_whole_number_is_a_value_error(sequence: object) -> None:
    with pytest.raises(ValueError, match=r"^sequence is .*; give a whole number$"):
        lstmdump.plot.states(states(), sequence=sequence)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [None, 5, "lags", [5], [[LAGS]], {"lstm_1": 1}])
def test_what_are_not_lags_is_a_type_error(other: object) -> None:
    with pytest.raises(TypeError, match=r"^result holds what is of type .*; give what lags returns$"):
        lstmdump.plot.lags(other)  # type: ignore[arg-type]
