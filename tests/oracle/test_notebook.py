"""Notebooks, executed by a kernel as Jupyter does: what cells show is what the manual and this module say."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from support import documents
from support.html_parsing import Parsed

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]  # of Jupyter's own
nbformat = pytest.importorskip("nbformat", reason="needs the extra `oracle`")
nbclient = pytest.importorskip("nbclient", reason="needs the extra `oracle`")
pytest.importorskip("matplotlib", reason="needs the extra `plot`")
pd = pytest.importorskip("pandas", reason="needs the extra `oracle`")
pytest.importorskip("ipykernel", reason="needs the extra `oracle`")

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_models"
PAGES = [
    path
    for path in sorted((ROOT / "lstmdump" / "manual").glob("*.md"))
    if documents.NOTEBOOK in path.read_text("utf-8")
]

SETUP = """
import numpy as np
import pandas as pd

import lstmdump

model = lstmdump.open("keras-2.2.0-weather.h5")
lstm = model["lstm_1"]
W = lstm.gates["f"].W
x = np.load("weather.x.npy")
"""
CODES = {
    "model": "model",
    "layer": "lstm",
    "gates": "lstm.gates",
    "gate": 'lstm.gates["f"]',
    "array": "np.asarray(W)",
    "dtype": "np.asarray(W, dtype='float64').dtype",
    "column": "W[:, 2]",
    "row": "W[0]",
    "ndim": "W.ndim",
    "frame": "pd.DataFrame(W)",
    "rows": "pd.DataFrame(model.rows())",
    "parameters": 'pd.DataFrame(model.rows())["parameters"].tolist()',
    "mapping": '"lstm_1" in model, len(model), list(model), [name for name in model]',
    "states": "model.trace(x)",
    "shape of c": "model.trace(x).c.shape",
    "lags": "model.lags(x)",
    "shares": "sum(model.lags(x).shares)",
    "PyTorch": """
with lstmdump.open("keras-3.15-func30.keras") as other:
    arrays = other["lstm"].to_pytorch()
{name: array.shape for name, array in arrays.items()}
""",
    "diff": 'lstmdump.diff(model, "tflite-2.21-weather.tflite")',
    "check": "lstmdump.check(model, params=240)",
    "picture of gates": "lstmdump.plot.gates(lstm)",
    "picture of states": "lstmdump.plot.states(model.trace(x))",
    "picture of lags": "lstmdump.plot.lags(model.lags(x), by_feature=True)",
    "verbs": "callable(model.lags), callable(lstmdump.check), callable(lstmdump.export.export)",
}
if find_spec("torch"):
    CODES["tensor"] = "import torch; torch.from_numpy(np.asarray(W))"


class Output(NamedTuple):
    """What a cell shows: what it prints and the text of its value, as HTML as well, and the number of pictures."""

    text: str
    html: str
    pictures: int
    errors: str


def gather(outputs: Sequence[Any]) -> Output:
    """Return the outputs of a cell as one."""
    streams = {"stdout": "", "stderr": ""}
    data: list[dict[str, str]] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] += output["text"]
        else:
            data.append(output["data"])
    texts = [one.get("text/plain", "") for one in data]
    return Output(streams["stdout"] + "\n".join(texts), "".join(one.get("text/html", "") for one in data),
                  sum("image/png" in one for one in data), streams["stderr"])  # fmt: skip


def execute(codes: Sequence[str], folder: Path) -> list[Output]:
    """Execute `codes` as the cells of one notebook in a directory with the sample models."""
    for path in SAMPLES.iterdir():
        (folder / path.name).symlink_to(path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [gather(cell["outputs"]) for cell in notebook.cells]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Output]:
    """What each cell of CODES shows."""
    made = execute([SETUP, *CODES.values()], tmp_path_factory.mktemp("cells"))
    return dict(zip(CODES, made[1:], strict=True))


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    """The columns of the kernel in the file that belong to the forget gate."""
    with h5py.File(SAMPLES / "keras-2.2.0-weather.h5") as file:
        kernel: np.ndarray = file["model_weights/lstm_1/lstm_1/kernel:0"][:]
    return kernel[:, 6:12]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_cells_of_a_page_show_in_a_notebook_what_is_behind_them(page: Path, tmp_path: Path) -> None:
    cells = [cell for cell in documents.cells(page.read_text("utf-8")) if not cell.missing]
    made = execute([cell.code for cell in cells], tmp_path)
    different = [(cell, output) for cell, output in zip(cells, made, strict=True)
                 if not documents.matches(cell.output, output.text) or output.errors]  # fmt: skip
    assert different == []


def test_no_cell_writes_to_stderr(shown: dict[str, Output]) -> None:
    assert {name: output.errors for name, output in shown.items() if output.errors} == {}


def test_a_model_is_the_head_of_its_table_as_text(shown: dict[str, Output]) -> None:
    assert shown["model"].text.splitlines() == [
        "keras-2.2.0-weather.h5",
        "Keras HDF5 · keras 2.2.0 (tensorflow) · 1 LSTM layer",
        "lstm_1  LSTM · 3 inputs, 6 units · gates i f c o",
    ]


@pytest.mark.parametrize("name", ["model", "layer"])
def test_a_model_and_a_layer_are_tables_as_html(name: str, shown: dict[str, Output]) -> None:
    parsed = Parsed(shown[name].html)
    assert parsed.faults == []
    assert "table" in {element.tag for element in parsed.elements}
    assert [word for word in ("(3, 24)", "(6, 24)", "(24,)", "72", "144", "240") if word not in parsed.text] == []


def test_a_layer_is_a_line_as_text(shown: dict[str, Output]) -> None:
    assert shown["layer"].text == "lstm_1  LSTM · 3 inputs, 6 units · gates i f c o"


def test_gates_have_a_line_each_as_text(shown: dict[str, Output]) -> None:
    lines = shown["gates"].text.splitlines()
    assert [line.split()[0] for line in lines] == ["i", "f", "c", "o"]
    assert {line.partition("  ")[2] for line in lines} == {"W (3, 6)  U (6, 6)  b (6,)"}


@pytest.mark.parametrize(("name", "rows"), [("gates", 4), ("gate", 1)])
def test_gates_have_a_row_each_as_html(name: str, rows: int, shown: dict[str, Output]) -> None:
    parsed = Parsed(shown[name].html)
    assert parsed.faults == []
    assert sum(element.tag == "tr" for element in parsed.elements) == 1 + rows
    assert parsed.text.count("(3, 6)") == rows


def test_an_array_is_that_of_numpy(shown: dict[str, Output], stored: np.ndarray) -> None:
    assert shown["array"].text == repr(stored)
    assert shown["column"].text == repr(stored[:, 2])
    assert shown["row"].text == repr(stored[0])
    assert shown["ndim"].text == "2"
    assert shown["dtype"].text == "dtype('float64')"


def test_an_array_is_a_data_frame(shown: dict[str, Output], stored: np.ndarray) -> None:
    assert shown["frame"].text == repr(pd.DataFrame(stored))
    assert "<table" in shown["frame"].html


def test_the_rows_of_a_model_are_a_data_frame(shown: dict[str, Output]) -> None:
    assert "3 rows" in shown["rows"].html or shown["rows"].html.count("<tr") == 4
    assert shown["parameters"].text == repr([3 * 24, 6 * 24, 24])


@pytest.mark.skipif(not find_spec("torch"), reason="needs the extra `oracle`")
def test_an_array_is_a_tensor_of_pytorch(shown: dict[str, Output], stored: np.ndarray) -> None:
    import torch

    assert shown["tensor"].text == repr(torch.from_numpy(stored))


def test_a_model_is_a_mapping_of_names(shown: dict[str, Output]) -> None:
    assert shown["mapping"].text == "(True, 1, ['lstm_1'], ['lstm_1'])"


def test_states_are_named_with_their_shapes(shown: dict[str, Output]) -> None:
    shape = (2, 9, 6)  # sequences, steps, units
    assert shown["shape of c"].text == repr(shape)
    assert [f"{member} {shape}" in shown["states"].text for member in ("h", "c", "i", "f", "o", "candidate")] == [
        True
    ] * 6


def test_lags_are_a_line_each(shown: dict[str, Output]) -> None:
    lines = [line.split() for line in shown["lags"].text.splitlines() if line.startswith("  t-")]
    assert [line[0] for line in lines] == [f"t-{lag}" for lag in range(9)]
    assert float(shown["shares"].text) == pytest.approx(1.0)


def test_arrays_for_pytorch_have_the_shapes_of_its_module(shown: dict[str, Output]) -> None:
    shapes = {"weight_ih_l0": (120, 1), "weight_hh_l0": (120, 30), "bias_ih_l0": (120,), "bias_hh_l0": (120,)}
    assert eval(shown["PyTorch"].text) == shapes  # noqa: S307 - of a dict, which IPython breaks into lines


def test_a_comparison_is_its_verdict(shown: dict[str, Output]) -> None:
    assert shown["diff"].text == "lstm_1: identical\nthe same"
    assert shown["check"].text == "()"


@pytest.mark.parametrize("name", [name for name in CODES if name.startswith("picture")])
def test_a_figure_shows_itself_once(name: str, shown: dict[str, Output]) -> None:
    assert shown[name].pictures == 1


def test_the_verbs_of_the_command_line_can_be_called(shown: dict[str, Output]) -> None:
    assert shown["verbs"].text == "(True, True, True)"
