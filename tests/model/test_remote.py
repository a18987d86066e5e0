"""Models at URLs: on a web server on this machine, and in fsspec's file system in memory."""

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
from support.web import Site, served

import lstmdump
from lstmdump.errors import MissingDependency, RefusedModel, UnreadableModel
from lstmdump.model.locate import at
from lstmdump.readers.detect import Format, detect
from lstmdump.report import record
from lstmdump.report.facts import describe

SAMPLES = Path(__file__).parents[2] / "sample_models"
ANSWERS: dict[str, Any] = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
BIG = 400 * 2**20
LITTLE = 10**6


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Site]:
    """The test's own directory on the web."""
    with served(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def samples_on_web() -> Iterator[Site]:
    """The sample models on the web."""
    with served(SAMPLES) as site:
        yield site


@pytest.fixture(scope="module")
def samples_in_memory() -> Iterator[str]:
    """The URL of the sample models in memory."""
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
    """A Keras model whose arrays take their place in a file and were never written."""
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
def test_a_sample_at_a_url_has_its_answers(name: str, samples_at: str) -> None:
    made = record_of(f"{samples_at}/{name}")
    found = {key: made[key] for key in ("producer", "format")} | made["parameters"]
    assert found == {key: ANSWERS[name][key] for key in ("producer", "format", "lstm", "total")}
    assert [layer["name"] for layer in made["layers"]] == [layer["name"] for layer in ANSWERS[name]["layers"]]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_at_a_url_has_its_numbers(name: str, samples_at: str) -> None:
    with lstmdump.open(SAMPLES / name) as here, lstmdump.open(f"{samples_at}/{name}") as there:
        for ours, theirs in zip(here.lstms, there.lstms, strict=True):
            for gate in "ifco":
                for one, other in zip(ours.gates[gate].arrays(), theirs.gates[gate].arrays(), strict=True):
                    assert (one.read() == other.read()).all()


def test_a_layer_in_400_mb_of_hdf5_is_shown_by_little(web: Site, tmp_path: Path) -> None:
    assert hollow(tmp_path / "m.h5", 4, 1792).stat().st_size > 400e6
    made = record_of(f"{web.url}/m.h5")
    assert made["parameters"]["lstm"] == 4 * 4 * (1792 * 1792 + 1792 * 1792 + 1792)
    assert web.moved < LITTLE
    assert len(web.requests) < 10


def test_a_saved_model_of_400_mb_is_shown_by_little(web: Site, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "keras-3.15-every-format" / "saved_model", tmp_path / "saved")
    os.truncate(tmp_path / "saved" / "variables" / "variables.data-00000-of-00001", BIG)
    assert record_of(f"{web.url}/saved")["parameters"]["lstm"] == 516
    assert web.moved < LITTLE


def test_a_small_file_takes_a_question_and_a_request(samples_on_web: Site) -> None:
    samples_on_web.requests.clear()
    record_of(f"{samples_on_web.url}/keras-2.2.0-weather.h5")
    assert [request.split()[0] for request in samples_on_web.requests] == ["HEAD", "GET"]


def test_a_server_that_sends_no_parts_is_asked_for_the_whole_of_a_small_file(web: Site, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "keras-3.15-every-format" / "model.keras", tmp_path / "m.keras")
    web.ranges = False
    assert record_of(f"{web.url}/m.keras")["parameters"]["lstm"] == 516


def test_a_server_that_sends_no_parts_is_not_asked_for_the_whole_of_a_large_file(web: Site, tmp_path: Path) -> None:
    hollow(tmp_path / "m.h5", 4, 1792)
    web.ranges = False
    with pytest.raises(RefusedModel, match="only as a whole, and this has more than 16 MiB; download it first"):
        lstmdump.open(f"{web.url}/m.h5")
    assert web.moved < 16 * LITTLE


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "^no such file or directory; the URL of a directory ends with a slash$"),
        (403, r"^no access to it \(403 Forbidden\)"),
        (401, r"^no access to it \(401 Unauthorized\)"),
        (500, "^cannot be reached: 500 Internal Server Error$"),
    ],
)
def test_what_the_server_says_is_told(status: int, words: str, web: Site) -> None:
    web.failing["/m.h5"] = status
    with pytest.raises(UnreadableModel, match=words):
        lstmdump.open(f"{web.url}/m.h5")


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/m.h5"
        with pytest.raises(UnreadableModel, match=r"^cannot be reached: Cannot connect to host 127\.0\.0\.1"):
            lstmdump.open(url)


def test_a_url_of_no_known_kind_is_told() -> None:
    with pytest.raises(UnreadableModel, match=r"^not a URL that can be read: Protocol not known: nonesuch$"):
        lstmdump.open("nonesuch://bucket/m.h5")


def test_a_missing_package_of_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingDependency, match=r"s3:// .*; pip install 'fsspec\[s3\]'$"):
        lstmdump.open("s3://bucket/m.h5")


def test_another_missing_package_is_told_as_fsspec_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(MissingDependency, match=r"abfs:// .*adlfs"):
        lstmdump.open("abfs://container/m.h5")


def test_a_file_that_cannot_be_read_to_its_end_is_told(web: Site, tmp_path: Path) -> None:
    hollow(tmp_path / "m.h5", 4, 400)
    with lstmdump.open(f"{web.url}/m.h5") as model:
        web.failing["/m.h5"] = 500
        with pytest.raises(UnreadableModel, match=r"^cannot be read: 500 Internal Server Error$"):
            model.lstms[2].gates["f"].W.read()


def test_a_file_that_was_cut_meanwhile_is_told(web: Site, tmp_path: Path) -> None:
    path = hollow(tmp_path / "m.h5", 4, 400)
    with lstmdump.open(f"{web.url}/m.h5") as model:
        os.truncate(path, path.stat().st_size - 4 * 400 * 400)
        with pytest.raises(UnreadableModel, match=r"^cannot be read: "):
            model.lstms[3].gates["f"].U.read()


def test_numbers_are_gone_when_the_model_is_closed(samples_at: str) -> None:
    with lstmdump.open(f"{samples_at}/keras-2.2.0-weather.h5") as model:
        pass
    with pytest.raises(lstmdump.errors.ModelClosed):
        model.lstms[0].gates["f"].W.read()


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_directory_is_known_with_and_without_its_slash(ending: str, samples_at: str) -> None:
    assert detect(at(f"{samples_at}/tf-1.12-basic-lstm-cell{ending}")) is Format.SAVED_MODEL


@pytest.mark.parametrize("ending", ["", ".index"])
def test_a_checkpoint_is_known_by_its_prefix(ending: str, samples_at: str) -> None:
    made = record_of(f"{samples_at}/tf-1.12-basic-lstm-cell-checkpoint/model.ckpt{ending}")
    assert made["layers"][0]["name"] == "rnn/basic_lstm_cell"


def test_a_query_goes_with_every_file_of_a_model(samples_on_web: Site) -> None:
    samples_on_web.requests.clear()
    record_of(f"{samples_on_web.url}/tf-1.12-basic-lstm-cell/?token=a/b")
    assert {request.split()[1].partition("?")[2] for request in samples_on_web.requests} == {"token=a/b"}


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "a#b", "%2e%2e%2fx", "ä"])
def test_a_name_in_a_directory_is_that_name_on_the_web(name: str, web: Site, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).write_bytes(b"bytes")
    child = at(f"{web.url}/d/").child(name)
    assert (child.name, child.read()) == (name, b"bytes")


@pytest.mark.parametrize("name", ["a::memory", "a?b", "%2e%2e", "a b"])
def test_a_name_in_a_directory_is_that_name_in_memory(name: str) -> None:
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
def test_a_listing_leads_nowhere_else(href: str, web: Site, tmp_path: Path) -> None:
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
    )  # what is in the memory of this process is in no other's
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


def test_a_directory_that_cannot_be_listed_is_told(web: Site, run: Callable[..., Any]) -> None:
    web.failing["/d/"] = 403
    done = run("show", "-r", f"{web.url}/d/")
    assert (done.status, done.err) == (2, f"lstmdump: {web.url}/d/: no access to it (403 Forbidden)\n")


@pytest.mark.parametrize("jobs", [1, 2])
def test_models_at_urls_are_exported(jobs: int, samples_on_web: Site, tmp_path: Path, run: Callable[..., Any]) -> None:
    names = ["keras-2.2.0-weather.h5", "keras-3.15-every-format/model.keras", "tf-1.12-basic-lstm-cell/"]
    done = run("export", "-o", tmp_path, "-j", jobs, *(f"{samples_on_web.url}/{name}" for name in names))
    assert done.status == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.npz"))
    assert written == [f"{name.rstrip('/')}.npz" for name in names]


def test_urls_may_be_listed(samples_on_web: Site, tmp_path: Path, run: Callable[..., Any]) -> None:
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


def test_a_url_is_told_in_one_line(web: Site, run: Callable[..., Any]) -> None:
    done = run("show", f"{web.url}/none.h5")
    assert done.err == (
        f"lstmdump: {web.url}/none.h5: no such file or directory; the URL of a directory ends with a slash\n"
    )
