from __future__ import annotations

import pytest

from lstmdump.model.remote import urls


@pytest.fixture(params=["/", "\\"])
def separator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What separates the steps of a path: on Windows, a backslash."""
    monkeypatch.setattr("os.sep", request.param)
    return str(request.param)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("s3://bucket/a/m.h5", "/s3/bucket/a/m.h5"),
        ("s3://bucket/a//./m.h5", "/s3/bucket/a/m.h5"),
        ("https://host/a/m.h5?token=a/b", "/https/host/a/m.h5"),
        ("https://host/a%20b/m.h5", "/https/host/a b/m.h5"),
        ("https://host/saved/", "/https/host/saved"),
        ("http://localhost:8000/m.h5", "/http/localhost_8000/m.h5"),
        ("ftp://user:secret@host/m.h5", "/ftp/host/m.h5"),
        ("memory://m.h5", "/memory/m.h5"),
        ("file:///tmp/m.h5", "/file/tmp/m.h5"),
        ("simplecache::s3://bucket/m.h5", "/s3/bucket/m.h5"),
        ("zip://in/m.h5::s3://bucket/all.zip", "/s3/bucket/all.zip/zip/in/m.h5"),
    ],
)
def test_a_url_becomes_a_path(url: str, path: str, separator: str) -> None:
    assert urls.as_path(url) == path.replace("/", separator)


@pytest.mark.parametrize("url", ["s3://bucket/../../m.h5", "https://host/%2e%2e/%2e%2e%2f../m.h5", "s3://bucket/..\\m"])
def test_the_path_of_a_url_stays_below_its_host(url: str, separator: str) -> None:
    root, *steps = urls.as_path(url).split(separator)
    assert (root, steps[:2]) in [("", ["s3", "bucket"]), ("", ["https", "host"])]
    assert not [step for step in steps if step == ".." or "/" in step or "\\" in step]


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("s3://bucket/m.h5", ("s3://", "bucket/m.h5", "")),
        ("s3://bucket/what?.h5", ("s3://", "bucket/what?.h5", "")),
        ("https://host/m.h5?a=b", ("https://", "host/m.h5", "?a=b")),
        ("zip://in/m.h5::s3://bucket/all.zip", ("zip://", "in/m.h5", "::s3://bucket/all.zip")),
        ("simplecache::https://host/m.h5?a", ("simplecache::https://", "host/m.h5", "?a")),
    ],
)
def test_a_url_is_split_at_its_path(url: str, split: tuple[str, str, str]) -> None:
    assert urls.split(url) == split
