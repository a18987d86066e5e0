"""Links that a search meets: those that stay below the directory are followed, the others are passed over and named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders

from lstmdump.errors import RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.sandbox.guard import ModelPath

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a model, next to a private one, and to a private SavedModel."""
    tree = tmp_path / "tree"
    tree.mkdir()
    builders.one_lstm(tree / "own.h5")
    builders.one_lstm(tmp_path / "private.h5")
    shutil.copytree(Path(__file__).parents[2] / "sample_models/keras-3.15-every-format/saved_model", tmp_path / "saved")
    return tree


@pytest.fixture
def found(run: Callable[..., Any], tree: Path) -> Callable[..., list[str]]:
    """Return a function that searches the tree, and returns the models by their paths in it."""

    def search(directory: Path = tree) -> list[str]:
        outcome = run("show", "--json", "-q", "-r", directory)
        return [os.path.relpath(json.loads(line)["model"], directory) for line in outcome.out.splitlines()]

    return search


@pytest.mark.parametrize("target", ["../private.h5", "../saved", "/dev/zero", ".."])
def test_a_link_out_of_the_directory_is_passed_over_and_named(target: str, tree: Path, run: Callable[..., Any]) -> None:
    (tree / "link").symlink_to(target)
    outcome = run("export", "-r", tree, "-o", tree.parent / "out")
    assert (outcome.status, outcome.out) == (0, f"{tree.parent / 'out' / 'own.h5.npz'}\n")
    note = f"lstmdump: note: {tree / 'link'} leads out of {tree} and is passed over; name it to read it\n"
    assert (note in outcome.err) is (target != "/dev/zero")  # no file, and so not listed


def test_several_links_have_one_note(tree: Path, run: Callable[..., Any]) -> None:
    for name in "ab":
        (tree / name).symlink_to("../private.h5")
    words = f"note: {tree / 'a'}, {tree / 'b'} lead out of {tree} and are passed over; name them to read them"
    assert words in run("show", "-r", tree).err
    assert run("show", "-q", "-r", tree).err == ""


def test_a_link_that_the_user_names_is_followed(tree: Path, run: Callable[..., Any]) -> None:
    (tree / "link").symlink_to("../private.h5")
    assert run("show", tree / "link").status == 0


def test_a_link_that_stays_below_the_directory_is_followed(tree: Path, found: Callable[..., list[str]]) -> None:
    (tree / "latest.h5").symlink_to("own.h5")
    assert found() == ["latest.h5", "own.h5"]


def test_a_link_to_a_model_that_is_a_directory_below_is_followed(tree: Path, found: Callable[..., list[str]]) -> None:
    (tree.parent / "saved").rename(tree / "saved")
    (tree / "latest").symlink_to("saved")
    assert found() == ["latest", "own.h5", "saved"]


def test_a_directory_that_a_link_leads_to_is_searched_once(tree: Path, found: Callable[..., list[str]]) -> None:
    (tree / "deep").mkdir()
    builders.one_lstm(tree / "deep" / "m.h5")
    (tree / "again").symlink_to("deep")
    (tree / "deep" / "round").symlink_to("..")
    assert found() == ["deep/m.h5", "own.h5"]


def test_a_directory_that_is_itself_a_link_is_searched(tree: Path, found: Callable[..., list[str]]) -> None:
    (tree.parent / "link").symlink_to("tree")
    (tree / "latest.h5").symlink_to(tree / "own.h5")
    assert found(tree.parent / "link") == ["latest.h5", "own.h5"]


def test_a_snapshot_of_a_hubs_cache_is_searched(tree: Path, found: Callable[..., list[str]]) -> None:
    hub = tree.parent / "models--a--b"
    (hub / "snapshots" / "0123").mkdir(parents=True)
    (hub / "blobs").mkdir()
    (tree / "own.h5").rename(hub / "blobs" / "89ab")
    (hub / "snapshots" / "0123" / "model.h5").symlink_to("../../blobs/89ab")
    assert found(hub / "snapshots" / "0123") == ["model.h5"]
    assert found(hub / "snapshots") == ["0123/model.h5"]
    assert found(hub) == ["blobs/89ab", "snapshots/0123/model.h5"]


def test_a_link_that_takes_the_place_of_a_model_after_the_search_is_not_followed(tree: Path) -> None:
    model = ModelPath(str(tree / "own.h5"), below=str(tree)).detected()
    (tree / "own.h5").unlink()
    (tree / "own.h5").symlink_to("../private.h5")
    with pytest.raises(RefusedModel, match=rf"own\.h5 is reached through a link that leads out of {tree}; name it"):
        model.open()
    assert ModelPath(str(tree / "own.h5"), DEFAULTS).open() is not None


@pytest.mark.parametrize("jobs", [[], ["-j", "2"]])
def test_every_process_of_an_export_is_held_to_the_directory(
    jobs: list[str], tree: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmdump.cli.commands import export

    plan = export.plan

    def swapping(*arguments: Any, **options: Any) -> Any:
        (tree / "own.h5").unlink()
        (tree / "own.h5").symlink_to("../private.h5")
        return plan(*arguments, **options)

    builders.one_lstm(tree / "other.h5")
    monkeypatch.setattr(export, "plan", swapping)
    outcome = run("export", "-r", tree, "-o", tree.parent / "out", *jobs)
    assert (outcome.status, [path.name for path in (tree.parent / "out").iterdir()]) == (2, ["other.h5.npz"])
    assert "own.h5 is reached through a link that leads out of" in outcome.err
