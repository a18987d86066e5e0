"""Models at URLs: on a local web server, and in fsspec's in-memory file system."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
import pytest
from support import builders
from support.pytorch_builders import write_header
from support.web import Site, served

import lstmdump
from lstmdump.errors import MissingDependency, RefusedModel, UnreadableModel
from lstmdump.model.locate import at
from lstmdump.readers.detect import Format, detect
from lstmdump.report import record
from lstmdump.report.facts import describe

SAMPLES = Path(__file__).parents[3] / "sample_models"
ANSWERS: dict[str, Any] = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
BIG = 400 * 2**20
LITTLE = 10**6


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Site]:
    """A web server for the test's directory."""
    with served(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def samples_on_web() -> Iterator[Site]:
    """A web server for the sample models."""
    with served(SAMPLES) as site:
        yield site


@pytest.fixture(scope="module")
def samples_in_memory() -> Iterator[str]:
    """The URL of the sample models in the in-memory file system."""
    memory = fsspec.filesystem("memory")
    memory.put(str(SAMPLES), "/samples", recursive=True)
    yield "memory://samples"
    memory.rm("/samples", recursive=True)


@pytest.fixture(params=["web", "memory"])
def samples_at(request: pytest.FixtureRequest) -> str:
    """The URL of the sample models."""
    if request.param == "web":
        site: Site = request.getfixturevalue("samples_on_web")
        return site.url
    return str(request.getfixturevalue("samples_in_memory"))


def record_of(url: str) -> dict[str, Any]:
    with lstmdump.open(url) as model:
        return record.of(describe(model))


def hollow(path: Path, layers: int, units: int) -> Path:
    """Write a Keras model whose arrays are allocated in the file but have no values."""
    names = [f"lstm_{number}" for number in range(layers)]
    builders.write(
        path,
        {name: [] for name in names},
        config=builders.sequential(*(builders.lstm_config(name, units) for name in names)),
    )
    with h5py.File(path, "r+") as file:
        for name in names:
            leaves = {"kernel": (units, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
            for leaf, shape in leaves.items():
                space, made = h5py.h5s.create_simple(shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                group = file["model_weights"][name].require_group(name).id
                h5py.h5d.create(group, f"{leaf}:0".encode(), h5py.h5t.IEEE_F32LE, space, made)
            group = file["model_weights"][name]
            group.attrs["weight_names"] = np.array([f"{name}/{leaf}:0".encode() for leaf in leaves])
    return path


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "samples.json"])
def test_a_sample_at_a_url_has_the_expected_record(name: str, samples_at: str) -> None:
    made = record_of(f"{samples_at}/{name}")
    found = {key: made[key] for key in ("producer", "format")} | made["parameters"]
    assert found == {key: ANSWERS[name][key] for key in ("producer", "format", "lstm", "total")}
    assert [layer["name"] for layer in made["layers"]] == [layer["name"] for layer in ANSWERS[name]["layers"]]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_at_a_url_has_the_same_values(name: str, samples_at: str) -> None:
    with lstmdump.open(SAMPLES / name) as here, lstmdump.open(f"{samples_at}/{name}") as there:
        for ours, theirs in zip(here.lstms, there.lstms, strict=True):
            for gate in "ifco":
                for one, other in zip(ours.gates[gate].arrays(), theirs.gates[gate].arrays(), strict=True):
                    assert (one.read() == other.read()).all()


def test_showing_400_mb_of_hdf5_transfers_few_bytes(web: Site, tmp_path: Path) -> None:
    assert hollow(tmp_path / "m.h5", 4, 1792).stat().st_size > 400e6
    made = record_of(f"{web.url}/m.h5")
    assert made["parameters"]["lstm"] == 4 * 4 * (1792 * 1792 + 1792 * 1792 + 1792)
    assert web.moved < LITTLE
    assert len(web.requests) < 10


def test_showing_400_mb_of_safetensors_transfers_few_bytes(web: Site, tmp_path: Path) -> None:
    entries, end = {}, 0
    for name, shape in (("weight_ih_l0", (14000, 3500)), ("weight_hh_l0", (14000, 3500)), ("head", (5_000_000,))):
        size = 4 * int(np.prod(shape))
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    path = write_header(tmp_path / "m.safetensors", json.dumps(entries).encode())
    os.truncate(path, path.stat().st_size + end)
    assert record_of(f"{web.url}/m.safetensors")["parameters"]["lstm"] == 4 * (3500 * 3500 + 3500 * 3500)
    assert web.moved < LITTLE


def test_showing_a_saved_model_of_400_mb_transfers_few_bytes(web: Site, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "keras-3.15-every-format" / "saved_model", tmp_path / "saved")
    os.truncate(tmp_path / "saved" / "variables" / "variables.data-00000-of-00001", BIG)
    assert record_of(f"{web.url}/saved")["parameters"]["lstm"] == 516
    assert web.moved < LITTLE


def test_a_small_file_takes_one_head_and_one_get(samples_on_web: Site) -> None:
    samples_on_web.requests.clear()
    record_of(f"{samples_on_web.url}/keras-2.2.0-weather.h5")
    assert [request.split()[0] for request in samples_on_web.requests] == ["HEAD", "GET"]


def test_a_small_file_is_downloaded_from_a_server_without_ranges(web: Site, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "keras-3.15-every-format" / "model.keras", tmp_path / "m.keras")
    web.ranges = False
    assert record_of(f"{web.url}/m.keras")["parameters"]["lstm"] == 516


def test_a_large_file_is_not_downloaded_from_a_server_without_ranges(web: Site, tmp_path: Path) -> None:
    hollow(tmp_path / "m.h5", 4, 1792)
    web.ranges = False
    with pytest.raises(RefusedModel, match="only whole files, and this one has more than 16 MiB; download it first"):
        lstmdump.open(f"{web.url}/m.h5")
    assert web.moved < 16 * LITTLE


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "^no such file or directory; the URL of a directory ends with a slash$"),
        (403, r"^access denied \(403 Forbidden\)"),
        (401, r"^access denied \(401 Unauthorized\)"),
        (500, "^cannot be reached: 500 Internal Server Error$"),
    ],
)
def test_an_error_status_of_the_server_is_reported(status: int, words: str, web: Site) -> None:
    web.failing["/m.h5"] = status
    with pytest.raises(UnreadableModel, match=words):
        lstmdump.open(f"{web.url}/m.h5")


def test_an_unreachable_server_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/m.h5"
        with pytest.raises(UnreadableModel, match=r"^cannot be reached: Cannot connect to host 127\.0\.0\.1"):
            lstmdump.open(url)


def test_an_unknown_url_scheme_is_reported() -> None:
    with pytest.raises(UnreadableModel, match=r"^the URL cannot be read: Protocol not known: nonesuch$"):
        lstmdump.open("nonesuch://bucket/m.h5")


def test_a_missing_package_is_reported_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingDependency, match=r"s3:// .*; pip install 'fsspec\[s3\]'$"):
        lstmdump.open("s3://bucket/m.h5")


def test_another_missing_package_is_reported_as_by_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(MissingDependency, match=r"abfs:// .*adlfs"):
        lstmdump.open("abfs://container/m.h5")


def test_a_server_error_during_reading_is_reported(web: Site, tmp_path: Path) -> None:
    hollow(tmp_path / "m.h5", 4, 400)
    with lstmdump.open(f"{web.url}/m.h5") as model:
        web.failing["/m.h5"] = 500
        with pytest.raises(UnreadableModel, match=r"^cannot be read: 500 Internal Server Error$"):
            model.lstms[2].gates["f"].W.read()


def test_a_file_truncated_during_reading_is_reported(web: Site, tmp_path: Path) -> None:
    path = hollow(tmp_path / "m.h5", 4, 400)
    with lstmdump.open(f"{web.url}/m.h5") as model:
        os.truncate(path, path.stat().st_size - 4 * 400 * 400)
        with pytest.raises(UnreadableModel, match=r"^cannot be read: "):
            model.lstms[3].gates["f"].U.read()


def test_values_cannot_be_read_from_a_closed_model(samples_at: str) -> None:
    with lstmdump.open(f"{samples_at}/keras-2.2.0-weather.h5") as model:
        pass
    with pytest.raises(lstmdump.errors.ModelClosed):
        model.lstms[0].gates["f"].W.read()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_directory_is_recognized_with_and_without_a_slash(ending: str, samples_at: str) -> None:
    assert detect(at(f"{samples_at}/tf-1.12-basic-lstm-cell{ending}")) is Format.SAVED_MODEL


@pytest.mark.parametrize("ending", ["", ".index"])
def test_a_checkpoint_is_recognized_by_its_prefix(ending: str, samples_at: str) -> None:
    made = record_of(f"{samples_at}/tf-1.12-basic-lstm-cell-checkpoint/model.ckpt{ending}")
    assert made["layers"][0]["name"] == "rnn/basic_lstm_cell"


def test_the_query_is_sent_with_every_file_of_a_model(samples_on_web: Site) -> None:
    samples_on_web.requests.clear()
    record_of(f"{samples_on_web.url}/tf-1.12-basic-lstm-cell/?token=a/b")
    assert {request.split()[1].partition("?")[2] for request in samples_on_web.requests} == {"token=a/b"}


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "a#b", "%2e%2e%2fx", "ä"])
def test_special_characters_in_names_work_over_http(name: str, web: Site, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(b"bytes")
    child = at(f"{web.url}/d/").child(name)
    assert (child.name, child.read()) == (name, b"bytes")


@pytest.mark.parametrize("name", ["a::memory", "a?b", "%2e%2e", "a b"])
def test_special_characters_in_names_work_in_memory(name: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/d/{name}", b"bytes")
    child = at("memory://d").child(name)
    assert (child.name, child.read()) == (name, b"bytes")
    memory.rm("/d", recursive=True)


def test_the_files_and_directories_of_a_directory_are_listed(samples_at: str) -> None:
    listed = at(f"{samples_at}/tf-1.12-basic-lstm-cell").entries()
    assert [(entry.name, is_directory) for entry, is_directory in listed] == [
        ("saved_model.pb", False),
        ("variables", True),
    ]


@pytest.mark.parametrize("href", ["../up.h5", "http://127.0.0.1:9/else.h5", "deep/er.h5", "m.h5?C=N", "/top.h5"])
def test_links_out_of_a_listed_directory_are_ignored(href: str, web: Site, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "index.html").write_text(f'<a href="{href}">x</a><a href="m.h5">m</a>')
    assert [entry.name for entry, _ in at(f"{web.url}/d/").entries()] == ["m.h5"]


def test_a_chain_of_urls_is_read(samples_in_memory: str) -> None:
    made = record_of(f"zip://model.weights.h5::{samples_in_memory}/keras-3.15-every-format/model.keras")
    assert (made["format"], made["parameters"]["lstm"]) == ("keras-weights-h5", 516)


def test_every_model_below_a_url_is_found(
    samples_at: str, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lstmdump.sandbox.fork.HAS_FORK", False
    )  # a worker process would not share the in-memory file system
    done = run("show", "--json", "-r", f"{samples_at}/keras-3.15-every-format")
    found = [
        json.loads(line)["model"].removeprefix(f"{samples_at}/keras-3.15-every-format/")
        for line in done.out.splitlines()
    ]
    assert (done.status, found) == (
        0,
        [
            "checkpoint/weather.index",
            "exported",
            "model.h5",
            "model.keras",
            "model.weights.h5",
            "saved_model",
            "unzipped",
        ],
    )


def test_a_directory_that_cannot_be_listed_is_reported(web: Site, run: Callable[..., Any]) -> None:
    web.failing["/d/"] = 403
    done = run("show", "-r", f"{web.url}/d/")
    assert (done.status, done.err) == (2, f"lstmdump: {web.url}/d/: access denied (403 Forbidden)\n")


@pytest.mark.parametrize("jobs", [1, 2])
def test_models_at_urls_are_exported(jobs: int, samples_on_web: Site, tmp_path: Path, run: Callable[..., Any]) -> None:
    names = ["keras-2.2.0-weather.h5", "keras-3.15-every-format/model.keras", "tf-1.12-basic-lstm-cell/"]
    done = run("export", "-o", tmp_path, "-j", jobs, *(f"{samples_on_web.url}/{name}" for name in names))
    assert done.status == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.npz"))
    assert written == [f"{name.rstrip('/')}.npz" for name in names]


def test_urls_may_be_listed_in_a_file(samples_on_web: Site, tmp_path: Path, run: Callable[..., Any]) -> None:
    (tmp_path / "list").write_text(f"{samples_on_web.url}/keras-2.2.0-weather.h5\n")
    done = run("check", "--params", 240, "-T", tmp_path / "list")
    assert done.status == 0


def test_a_record_belongs_to_the_model_at_its_url(
    samples_on_web: Site, tmp_path: Path, run: Callable[..., Any]
) -> None:
    urls = [f"{samples_on_web.url}/keras-{release}-weather.h5" for release in ("1.2.2", "2.2.0")]
    (tmp_path / "records").write_text(run("show", "--json", *urls).out)
    assert run("check", "--against", tmp_path / "records", *reversed(urls)).status == 0
    assert run("check", "--against", tmp_path / "records").status == 0


def test_a_missing_url_is_reported_in_one_line(web: Site, run: Callable[..., Any]) -> None:
    done = run("show", f"{web.url}/none.h5")
    assert done.err == (
        f"lstmdump: {web.url}/none.h5: no such file or directory; the URL of a directory ends with a slash\n"
    )
