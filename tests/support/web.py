"""A local web server that counts requests and bytes."""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


class Site:
    """The settings and statistics of the server.

    Attributes:
        url: The URL of the served directory.
        ranges: Whether requests for ranges are honoured.
        failing: The error statuses to send, by path.
        requests: Method, path and range of each request.
        moved: The bytes sent as content.
    """

    def __init__(self) -> None:
        self.url = ""
        self.ranges = True
        self.failing: dict[str, int] = {}
        self.requests: list[str] = []
        self.moved = 0


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, *arguments: Any, site: Site, **options: Any) -> None:
        self.site = site
        super().__init__(*arguments, **options)

    def log_message(self, *arguments: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def send_head(self) -> Any:
        self.site.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        if status := self.site.failing.get(self.path):
            self.send_error(status)
            return None
        return super().send_head()

    def do_GET(self) -> None:
        path, requested = Path(self.translate_path(self.path)), self.headers.get("Range")
        if not (self.site.ranges and requested and path.is_file()) or self.path in self.site.failing:
            super().do_GET()
            return
        self.site.requests.append(f"GET {self.path} {requested}")
        first, last = (int(number) for number in re.findall(r"\d+", requested))
        with path.open("rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{path.stat().st_size}")
        self.end_headers()
        self.site.moved += len(data)
        self.wfile.write(data)

    def copyfile(self, source: BinaryIO, output: BinaryIO) -> None:  # type: ignore[override]
        while data := source.read(1 << 16):
            self.site.moved += len(data)
            output.write(data)


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Serve `folder` over HTTP."""
    site = Site()
    handler = functools.partial(_Handler, directory=str(folder), site=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
