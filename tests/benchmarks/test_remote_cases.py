from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import pytest
from benchmarks.remote_cases import served

CONTENT = bytes(range(256)) * 1000


def asked(folder: Path, method: str = "GET", **headers: str) -> tuple[int, bytes, str | None, int]:
    """Return status, body, `Content-Length`, and the bytes that the server counted."""
    (folder / "x").write_bytes(CONTENT)
    with served(folder) as server:
        connection = HTTPConnection("127.0.0.1", server.server_port)
        connection.request(method, "/x", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    return answer.status, body, answer.headers["Content-Length"], server.moved


@pytest.mark.parametrize(
    ("requested", "part"),
    [
        ("0-0", CONTENT[:1]),
        ("100-70099", CONTENT[100:70100]),
        ("255990-", CONTENT[255990:]),
        ("255990-999999", CONTENT[255990:]),
        ("-5", CONTENT[-5:]),
    ],
)
def test_only_the_range_is_sent_and_counted(requested: str, part: bytes, tmp_path: Path) -> None:
    assert asked(tmp_path, Range=f"bytes={requested}") == (206, part, str(len(part)), len(part))


def test_without_a_range_the_whole_file_is_sent_and_counted(tmp_path: Path) -> None:
    assert asked(tmp_path) == (200, CONTENT, "256000", 256000)


def test_requests_of_content_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    with served(tmp_path) as server:
        for method in ("HEAD", "GET", "GET"):
            connection = HTTPConnection("127.0.0.1", server.server_port)
            connection.request(method, "/x")
            connection.getresponse().read()
            connection.close()
        assert server.requests == 2


def test_a_head_request_sends_no_content(tmp_path: Path) -> None:
    assert asked(tmp_path, "HEAD") == (200, b"", "256000", 0)


def test_a_range_behind_the_end_is_refused(tmp_path: Path) -> None:
    assert asked(tmp_path, Range="bytes=256000-")[0] == 416
