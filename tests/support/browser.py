"""Debian's chromium, driven through a pipe: no driver, no port, and no package beside Python itself.

The messages are those of the Chrome DevTools Protocol, https://chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 60  # seconds
_FROM_US, _TO_US = 3, 4  # the descriptors at which chromium expects its pipe


class Browser:
    """A running chromium with one page.

    Attributes:
        complaints: What the page has had on its console, and what its policy has forbidden.
    """

    def __init__(self, writes: int, reads: int) -> None:
        self._writes, self._reads = writes, reads
        self._unread = b""
        self._last = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a method of the protocol."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path, *, width: int, scheme: str = "light", media: str = "") -> None:
        """Open the file `page` in a window that is `width` CSS pixels wide."""
        self.complaints.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self.call("Page.navigate", url=page.absolute().as_uri())
        end = time.monotonic() + _PATIENCE
        while self.evaluate("location.href + ' ' + document.readyState") != f"{page.absolute().as_uri()} complete":
            assert time.monotonic() < end, "the page is not loaded"
            time.sleep(0.02)

    def evaluate(self, script: str) -> Any:
        """Return the value of `script` in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, *, height: int | None = None) -> bytes:
        """Return the page as a PNG, all of it or its first `height` pixels."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(height or 1e9, size["height"]), "scale": 1}
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(found["data"])

    def pdf(self) -> bytes:
        """Return the page as it is printed on A4."""
        found = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._reads], [], [], _PATIENCE)[0], "chromium does not answer"
            data = os.read(self._reads, 1 << 16)
            assert data, "chromium has ended"
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.complaints.append(json.dumps(message["params"]))
        return message


@contextmanager
def started(directory: Path) -> Iterator[Browser]:
    """Start chromium with a new profile in `directory`, and end it after the block."""
    assert PROGRAM is not None
    from_us, writes = os.pipe()
    reads, to_us = os.pipe()
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20) for descriptor in (from_us, to_us)]

    def place() -> None:
        os.dup2(high[0], _FROM_US)
        os.dup2(high[1], _TO_US)

    process = subprocess.Popen(
        [PROGRAM, *_FLAGS, f"--user-data-dir={directory}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=place, pass_fds=(_FROM_US, _TO_US),  # noqa: PLW1509
    )  # fmt: skip
    for descriptor in (from_us, to_us, *high):
        os.close(descriptor)
    try:
        browser = Browser(writes, reads)
        yield browser
        browser._session = None
        browser.call("Browser.close")
    finally:
        os.close(writes)
        os.close(reads)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
