"""Models on a web server: the number of bytes transferred, and of requests."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks import keras_inputs, tensorflow_inputs
from benchmarks.goals import Figure, Goal
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command, Usage
from benchmarks.workspace import OURS, Case, NotMeasured, Sizes, Workspace

_WRITE: dict[str, Callable[[Path, int, int], Path]] = {
    ".h5": keras_inputs.write_sparse_h5,
    ".keras": keras_inputs.write_sparse_keras,
    "SavedModel": lambda path, d, m: tensorflow_inputs.write_saved_model(path, d, m, sparse=True),
    "checkpoint": lambda path, d, m: tensorflow_inputs.write_checkpoint(path, d, m, sparse=True),
}
_LAYERED: dict[str, Callable[[Path, int, int, int], Path]] = {
    ".h5": keras_inputs.write_sparse_h5,
    ".keras": keras_inputs.write_sparse_keras,
}
_LAYERS = 100
_STEP = 1 << 16
_NEEDED = ("fsspec", "aiohttp")


class Server(ThreadingHTTPServer):
    """A server of files, whole or by range, that counts the requests, and the bytes sent as content."""

    daemon_threads = True
    moved = requests = 0


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self._send(path, path.stat().st_size)
        else:
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Print nothing."""

    def _send(self, path: Path, size: int) -> None:
        first, last = self._range(size)
        if first > last:
            self.send_error(416)
            return
        self._head(first, last, size)
        with path.open("rb") as file:
            file.seek(first)
            for start in range(first, last + 1, _STEP):
                self.server.moved += self.wfile.write(file.read(min(_STEP, last + 1 - start)))

    def _range(self, size: int) -> tuple[int, int]:
        """Return the first and the last byte of the requested range."""
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        if not first:
            return max(0, size - int(last)), size - 1
        return int(first), min(int(last), size - 1) if last else size - 1

    def _head(self, first: int, last: int, size: int) -> None:
        ranged = "Range" in self.headers
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        if ranged:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Serve the files in `folder` on a free port."""
    with Server(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _show(kind: str) -> str:
    return f"show --json http://…, {kind} of 400 MB"


def _many(kind: str) -> str:
    return f"show --json http://…, {kind} of 400 MB in {_LAYERS} layers"


def _remote(place: Workspace) -> Sequence[Command]:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NotMeasured(f"{', '.join(missing)} not installed: the extra `remote`")
    server = place.stack.enter_context(served(place.folder))

    def count(usage: Usage) -> Usage:
        counted = usage._replace(read=server.moved, requests=server.requests)
        server.moved = server.requests = 0
        return counted

    def command(name: str, path: Path) -> Command:
        return Command(name, [OURS, "show", "--json", "-q", f"{address}/{path.name}"], checked=count)

    address = f"http://127.0.0.1:{server.server_port}"
    m, each = units(place.sizes.large), units(place.sizes.large // _LAYERS)
    return [
        *(command(_show(kind), write(place.folder / f"large{kind}", m, m)) for kind, write in _WRITE.items()),
        *(command(_many(kind), write(place.folder / f"layers{kind}", each, each, _LAYERS))
          for kind, write in _LAYERED.items()),
    ]  # fmt: skip


def _remote_goals(_: Sizes) -> list[Goal]:
    def moved(name: str) -> Figure:
        return lambda one: one[name].read / 1e6  # type: ignore[operator]

    def requests(name: str) -> Figure:
        return lambda one: one[name].requests  # type: ignore[return-value]

    few, many = ({kind: name(kind) for kind in kinds} for name, kinds in ((_show, _WRITE), (_many, _LAYERED)))
    return [
        Goal("Moved by `show` of 400 MB behind a web server", 1, " MB",
             {kind: moved(name) for kind, name in few.items()},
             {f"requests, {kind}": requests(name) for kind, name in few.items()}),
        Goal(f"Moved by `show` of 400 MB in {_LAYERS} layers behind a web server", 1.5, " MB",
             {kind: moved(name) for kind, name in many.items()},
             {f"requests, {kind}": requests(name) for kind, name in many.items()}),
    ]  # fmt: skip


CASES = (Case("remote: 400 MB", _remote, _remote_goals, rounds=3),)
