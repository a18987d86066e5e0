"""Files that PyTorch itself writes, in every form: our gates are those of the live modules, and trace gives their output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]  # of PyTorch's own
torch = pytest.importorskip("torch", reason="needs the extra `oracle`")
Run = Callable[..., Any]

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "stacked": {"num_layers": 3},
    "both directions": {"bidirectional": True},
    "stacked in both directions": {"num_layers": 2, "bidirectional": True},
    "projected": {"proj_size": 2},
    "projected, stacked, in both directions": {"proj_size": 2, "num_layers": 2, "bidirectional": True},
    "without bias": {"bias": False},
    "steps first": {"batch_first": False},
}
FORMS = ("state dict", "checkpoint", "module", "protocol 4", "legacy", "legacy module", "script", "safetensors")


def make(options: dict[str, Any], seed: int = 0) -> Any:
    """Return an nn.LSTM of 4 units on 3 inputs with random numbers."""
    torch.manual_seed(seed)
    return torch.nn.LSTM(3, 4, **{"batch_first": True, **options}).eval()


def save(module: Any, path: Path, form: str) -> Path:
    """Save a module."""
    state = module.state_dict()
    if form == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(state, path)
    elif form == "script":
        torch.jit.save(torch.jit.script(module), path)
    else:
        value = module if "module" in form else {"state_dict": state, "epoch": 1} if form == "checkpoint" else state
        legacy = {"_use_new_zipfile_serialization": False} if "legacy" in form else {}
        torch.save(value, path, pickle_protocol=4 if "4" in form else 2, **legacy)
    return path


def live_gates(module: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the gates of a live module in our form, by their keys in an export."""
    state = {name: values.numpy() for name, values in module.state_dict().items()}
    for name in [name for name in state if name.startswith("weight_ih")]:
        layer = name.removeprefix("weight_ih_")
        both = {leaf: state[f"{leaf}_{layer}"] for leaf in ("bias_ih", "bias_hh") if f"{leaf}_{layer}" in state}
        for number, gate in enumerate("ifco"):
            rows = slice(4 * number, 4 * number + 4)
            yield f"{layer}/W_{gate}", state[name][rows].T
            yield f"{layer}/U_{gate}", state[f"weight_hh_{layer}"][rows].T
            if both:
                yield f"{layer}/b_{gate}", both["bias_ih"][rows] + both["bias_hh"][rows]
        if f"weight_hr_{layer}" in state:
            yield f"{layer}/P", state[f"weight_hr_{layer}"].T


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_exported_gates_are_those_of_the_live_module(shape: str, form: str, run: Run, tmp_path: Path) -> None:
    module = make(SHAPES[shape])
    path = save(module, tmp_path / "model", form)
    assert run("export", path, "-o", tmp_path / "gates.npz").status == 0
    expected = dict(live_gates(module))
    with np.load(tmp_path / "gates.npz") as found:
        assert set(found.files) - {"__lstmdump__"} == set(expected)
        for key, values in expected.items():
            np.testing.assert_array_equal(found[key], values, err_msg=key)


@pytest.mark.parametrize("form", ["state dict", "module", "script", "safetensors"])
@pytest.mark.parametrize("shape", SHAPES)
def test_trace_gives_the_output_and_the_last_states(shape: str, form: str, run: Run, tmp_path: Path) -> None:
    module = make(SHAPES[shape], seed=1)
    path = save(module, tmp_path / "model", form)
    x = torch.randn(5, 7, 3)
    turned = x if module.batch_first else x.transpose(0, 1)
    with torch.no_grad():
        y, (h, c) = module(turned)
    np.save(tmp_path / "x.npy", x.numpy())
    assert run("trace", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz").status == 0
    with np.load(tmp_path / "states.npz") as found:
        output = y if module.batch_first else y.transpose(0, 1)
        np.testing.assert_allclose(found["output/y"], output.numpy(), atol=1e-5)
        layers = [
            f"l{k}{end}" for k in range(module.num_layers) for end in ("", "_reverse")[: 1 + module.bidirectional]
        ]
        for number, layer in enumerate(layers):
            last = 0 if layer.endswith("_reverse") else -1
            np.testing.assert_allclose(found[f"{layer}/h"][:, last], h[number].numpy(), atol=1e-5)
            np.testing.assert_allclose(found[f"{layer}/c"][:, last], c[number].numpy(), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_masked_steps_are_those_of_a_packed_sequence(options: dict[str, Any], run: Run, tmp_path: Path) -> None:
    module, lengths = make(options), [7, 4, 1]
    x = torch.randn(3, 7, 3)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    with torch.no_grad():
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True)
    np.save(tmp_path / "x.npy", x.numpy())
    np.save(tmp_path / "mask.npy", np.arange(7) < np.array(lengths)[:, None])
    path = save(module, tmp_path / "model", "state dict")
    run("trace", path, "-i", tmp_path / "x.npy", "--mask", tmp_path / "mask.npy", "-o", tmp_path / "states.npz")
    with np.load(tmp_path / "states.npz") as found:
        np.testing.assert_allclose(found["output/y"], y.numpy(), atol=1e-5)


def test_lags_are_the_jacobian_of_the_output(run: Run, tmp_path: Path) -> None:
    import json

    module = make({"num_layers": 2, "bidirectional": True}).double()
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda given: module(given)[0][0, -1], x)[:, 0]
    expected = torch.linalg.matrix_norm(jacobian.transpose(0, 1)).flip(0)
    np.save(tmp_path / "x.npy", x.numpy())
    path = save(module, tmp_path / "model", "state dict")
    (layer,) = json.loads(run("lags", path, "-i", tmp_path / "x.npy", "--json").out)["layers"]
    np.testing.assert_allclose([one["norm"] for one in layer["lags"]], expected.numpy(), rtol=1e-6)


def test_a_cell_runs_forwards(run: Run, tmp_path: Path) -> None:
    cell, x = torch.nn.LSTMCell(3, 4), torch.randn(2, 5, 3)
    state, outputs = None, []
    with torch.no_grad():
        for step in range(5):
            state = cell(x[:, step], state)
            outputs.append(state[0])
    np.save(tmp_path / "x.npy", x.numpy())
    path = save(torch.nn.ModuleDict({"step": cell}), tmp_path / "model", "state dict")
    assert run("trace", path, "-i", tmp_path / "x.npy", "-o", tmp_path / "states.npz").status == 0
    with np.load(tmp_path / "states.npz") as found:
        np.testing.assert_allclose(found["step/h"], torch.stack(outputs, 1).numpy(), atol=1e-5)


def odd_arrays() -> dict[str, Any]:
    """Return arrays of all types that numpy has, and of any strides and storages."""
    whole = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    types = (
        "float64",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
        "uint16",
    )
    return {
        **{f"type.{name}": torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in types},
        "view.part": whole[1:, ::2, 3], "view.turned": whole.permute(2, 0, 1), "view.wide": whole[:1, 0].expand(7, 5),
        "view.row": whole[2, 1], "view.one": whole[2, 3, 4], "view.none": whole[:0], "view.whole": whole,
        "parameter.p": torch.nn.Parameter(torch.ones(2, 2)), "tied.a": whole,
    }  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}])
def test_every_array_has_the_numbers_that_pytorch_loads(options: dict[str, Any], tmp_path: Path) -> None:
    arrays = odd_arrays()
    if "_use_new_zipfile_serialization" in options:
        del arrays["type.uint16"]  # which PyTorch saves in that form, but cannot load
    torch.save(arrays, tmp_path / "odd.pt", **options)
    loaded = torch.load(tmp_path / "odd.pt", weights_only=False)
    with lstmdump.open(tmp_path / "odd.pt") as model:
        found = {tensor.name: tensor.read() for tensor in model.model.tensors()}
    assert set(found) == set(loaded) - {"tied.a"}  # the same array as view.whole
    for name, values in found.items():
        expected = loaded[name].float() if loaded[name].dtype == torch.bfloat16 else loaded[name]
        np.testing.assert_array_equal(values, expected.detach().numpy(), err_msg=name)


def test_every_array_has_the_numbers_that_safetensors_loads(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.torch")
    arrays = {name: values.contiguous().clone() for name, values in odd_arrays().items()}
    library.save_file(arrays, tmp_path / "odd")
    loaded = library.load_file(tmp_path / "odd")
    with lstmdump.open(tmp_path / "odd") as model:
        found = {tensor.name: tensor.read() for tensor in model.model.tensors()}
    assert set(found) == set(loaded)
    for name, values in found.items():
        expected = loaded[name].float() if loaded[name].dtype == torch.bfloat16 else loaded[name]
        np.testing.assert_array_equal(values, expected.detach().numpy(), err_msg=name)


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    module = make({})
    try:
        torch.serialization.set_crc32_options(False)
        path = save(module, tmp_path / "model.pt", "state dict")
    finally:
        torch.serialization.set_crc32_options(True)
    with lstmdump.open(path) as model:
        np.testing.assert_array_equal(model.lstms[0].gates["i"].W.read(), module.weight_ih_l0.detach().numpy()[:4].T)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
@pytest.mark.parametrize("form", ["state dict", "module", "safetensors"])
def test_other_recurrent_layers_are_no_lstms(kind: str, form: str, run: Run, tmp_path: Path) -> None:
    path = save(getattr(torch.nn, kind)(4, 4), tmp_path / "model", form)
    outcome = run("show", path)
    assert outcome.status == 0
    assert "no LSTM layer; it has" in outcome.err
    assert kind in outcome.err


def test_states_of_an_optimizer_are_not_counted(tmp_path: Path) -> None:
    module = make({})
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.randn(2, 3, 3))[0].sum().backward()
    optimizer.step()
    value = {
        "model_state_dict": module.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": torch.ones(()),
    }
    torch.save(value, tmp_path / "model.pt")
    count = sum(values.numel() for values in module.parameters())
    with lstmdump.open(tmp_path / "model.pt") as model:
        assert model.model.parameters == count
        assert sum(tensor.size for tensor in model.model.beside) == 2 * count + 4 + 1  # two averages, 4 steps, the loss
