"""Servers that are silent, slow, or send without end."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
import fsspec
import pytest

import lstmdump
from lstmdump.errors import RefusedModel, UnreadableModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.locate import at
from lstmdump.model.remote import http_requests


@pytest.fixture(autouse=True)
def _no_memory_of_silent_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "_silent_since", {})


@contextmanager
def answering(answer: Callable[[Any], None]) -> Iterator[tuple[str, list[str]]]:
    """Serve what `answer` does with a handler; yield the URL of the server, and a list of the requests."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(f"{self.command} {self.path}")
            with suppress(ConnectionError):
                answer(self)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


def test_the_time_that_the_manual_states_is_the_limit() -> None:
    timeout = http_requests.client_options()["timeout"]
    assert isinstance(timeout, aiohttp.ClientTimeout)
    assert (timeout.sock_connect, timeout.sock_read) == (30, 30)


def test_a_silent_server_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(UnreadableModel, match="cannot be reached: the server has not answered for 1 s"):
            lstmdump.open(f"http://127.0.0.1:{server.getsockname()[1]}/m.h5")
        assert time.monotonic() - started < 2 * 1  # fsspec asks with HEAD, then with GET


def test_a_server_that_falls_silent_in_the_middle_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "SILENCE", 1)
    done = threading.Event()

    def answer(handler: Any) -> None:
        handler.send_response(206 if "Range" in handler.headers else 200)
        handler.send_header("Content-Length", "1000")
        handler.send_header("Accept-Ranges", "bytes")
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(b"\x89HDF")
            done.wait(60)

    with answering(answer) as (url, _):
        with pytest.raises(UnreadableModel, match="the server has not answered for 1 s"):
            lstmdump.open(f"{url}/m.h5")
        done.set()


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "_SLOWEST", 1)

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"<")
            time.sleep(0.1)

    with (
        answering(answer) as (url, _),
        pytest.raises(UnreadableModel, match="cannot be listed: the server has taken more than 1 s"),
    ):
        at(f"{url}/d/").entries()


def test_a_listing_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "_LONGEST", 1 << 20)

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        while True:
            handler.wfile.write(b'<a href="x.h5">x</a>\n' * 1000)

    with (
        answering(answer) as (url, _),
        pytest.raises(RefusedModel, match="the server sends more than 1 MiB in one answer"),
    ):
        at(f"{url}/d/").entries()


def test_too_many_files_in_a_directory_are_refused() -> None:
    memory = fsspec.filesystem("memory")
    for number in range(6):
        memory.pipe_file(f"/many/{number}", b"")
    assert len(at("memory://many", DEFAULTS._replace(objects=6)).entries()) == 6
    with pytest.raises(RefusedModel, match=r"a directory of more than 5 files and .*; --limit objects=50 allows it"):
        at("memory://many", DEFAULTS._replace(objects=5)).entries()
    memory.rm("/many", recursive=True)


def test_a_search_below_a_url_ends_although_each_directory_has_more(run: Callable[..., Any]) -> None:
    def answer(handler: Any) -> None:
        page = b'<a href="a/">a</a><a href="b/">b</a>'
        if handler.path.endswith(("/a", "/b")):  # as servers redirect to a directory
            handler.send_response(301)
            handler.send_header("Location", f"{handler.path}/")
        else:
            handler.send_response(200 if handler.path.endswith("/") else 404)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(page)

    with answering(answer) as (url, requests):
        done = run("show", "-r", f"{url}/top/", "--limit", "objects=20")
    words = (
        "it lists more than 20 files and directories, of which the first were searched; --limit objects=200 allows it"
    )
    assert (done.status, done.err.splitlines()[0]) == (2, f"lstmdump: {url}/top/: {words}")
    assert len(requests) < 400
