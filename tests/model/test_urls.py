from __future__ import annotations

import pytest

from lstmdump.model import urls


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
def test_a_url_becomes_a_path(url: str, path: str) -> None:
    assert urls.as_path(url) == path


@pytest.mark.parametrize("url", ["s3://bucket/../../m.h5", "https://host/%2e%2e/%2e%2e%2f../m.h5", "s3://bucket/..\\m"])
def test_the_path_of_a_url_stays_below_its_host(url: str) -> None:
    path = urls.as_path(url)
    assert path.startswith(("/s3/bucket/", "/https/host/"))
    assert not {"..", "\\"} & set(path.split("/"))


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
