from __future__ import annotations

import ntpath
import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from lstmdump.errors import OutputClash
from lstmdump.export import conflicts
from lstmdump.export.gates import plan

ALIKE = [
    ["A_B.h5", "a_b.h5"],
    ["x/a.h5", "X/a.h5"],
    ["É.h5", "é.h5"],
    ["straße.h5", "STRASSE.h5"],
    [unicodedata.normalize("NFC", "é.h5"), unicodedata.normalize("NFD", "é.h5")],
]


def planned(models: list[str], out: Path) -> int:
    return len(list(plan([str(out.parent / "in" / model) for model in models], str(out))))


@pytest.fixture
def case_insensitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case-insensitive file system: each path is looked up in lower case."""
    looked_for = os.path.lexists
    monkeypatch.setattr(
        os.path, "lexists", lambda path: looked_for(str(path).replace(Path(path).name, Path(path).name.lower()))
    )


@pytest.mark.usefixtures("case_insensitive")
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("models", ALIKE)
def test_models_that_differ_only_in_case_are_refused_on_a_case_insensitive_file_system(
    models: list[str], there: bool, tmp_path: Path
) -> None:
    if there:
        (tmp_path / "out").mkdir()
    with pytest.raises(OutputClash, match="treats these names as equal; nothing was written"):
        planned(models, tmp_path / "out")


@pytest.mark.parametrize("models", ALIKE)
def test_models_that_differ_only_in_case_are_written_on_a_case_sensitive_file_system(
    models: list[str], tmp_path: Path
) -> None:
    if not conflicts._is_case_sensitive(str(tmp_path)):
        pytest.skip("this file system is case-insensitive")
    assert planned(models, tmp_path / "out") == 2


@pytest.mark.usefixtures("case_insensitive")
@pytest.mark.parametrize("models", [["a/b.h5", "a_b.h5", "A_C.h5"], ["X/a.h5", "x/b.h5"], ["é.h5", "e.h5"]])
def test_models_that_differ_in_more_than_case_are_written_on_any_file_system(models: list[str], tmp_path: Path) -> None:
    assert planned(models, tmp_path / "out") == len(models)


def test_the_check_for_case_sensitivity_leaves_no_file(tmp_path: Path) -> None:
    conflicts._is_case_sensitive(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_reported_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    assert planned(["a.h5", "A.h5"], tmp_path / "out") == 2


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_models_written_to_one_file_through_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "b").symlink_to("a")
    with pytest.raises(OutputClash, match="through links; nothing was written"):
        planned(["a/new/x.h5", "b/new/x.h5"], tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_a_file_that_is_a_link_to_another_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.h5.npz").write_bytes(b"")
    (tmp_path / "out" / "b.h5.npz").symlink_to("a.h5.npz")
    with pytest.raises(OutputClash, match="through links; nothing was written"):
        planned(["a.h5", "b.h5"], tmp_path / "out")


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_links_to_different_places_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "b").symlink_to("../elsewhere")
    assert planned(["a/x.h5", "b/x.h5"], tmp_path / "out") == 2


@pytest.mark.skipif(os.name != "posix", reason="hard links of POSIX")
def test_two_names_of_one_file_become_two_files(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.h5.npz").write_bytes(b"")
    (tmp_path / "out" / "b.h5.npz").hardlink_to(tmp_path / "out" / "a.h5.npz")
    assert planned(["a.h5", "b.h5"], tmp_path / "out") == 2


def test_an_output_on_a_missing_drive_ends_the_search_for_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that does not exist is its own parent."""
    asked: list[str] = []

    def is_missing(path: str) -> bool:
        asked.append(path)
        assert len(asked) < 5
        return False

    monkeypatch.setattr(
        conflicts,
        "os",
        SimpleNamespace(
            path=SimpleNamespace(isdir=is_missing, dirname=ntpath.dirname, join=ntpath.join),
            open=_open_nothing,
            O_CREAT=0,
            O_EXCL=0,
            O_WRONLY=0,
        ),
    )
    assert conflicts._is_case_sensitive("Q:\\x")


def _open_nothing(*_: object) -> int:
    raise FileNotFoundError
