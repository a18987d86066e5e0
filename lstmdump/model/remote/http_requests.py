"""Bounds for requests over HTTP: a server that is silent, slow, or sends without end does not keep a run busy."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Any

import aiohttp

from lstmdump.errors import RefusedModel

SILENCE = 30
"""Seconds without a byte after which a server is given up."""
_SLOWEST = 300  # seconds for one request, of 4 MiB at most
_LONGEST = 64 * 2**20  # bytes of an answer that is taken as a whole: a listing, or a range
_MEMORY = 5  # seconds for which a silent server is not asked again: fsspec asks in two ways whether there is a file

_silent_since: dict[str | None, float] = {}  # the time when a server was given up, by its name


class _Response(aiohttp.ClientResponse):
    """An answer that is not read without end."""

    async def read(self) -> bytes:
        if self._body is None:
            data = bytearray()
            async for part in self.content.iter_any():
                data += part
                if len(data) > _LONGEST:
                    self.close()
                    raise RefusedModel(f"the server sends more than {_LONGEST >> 20} MiB in one answer")
            self._body = bytes(data)
        return await super().read()


def client_options() -> dict[str, Any]:
    """Return the options for the session of aiohttp."""
    return {
        "timeout": aiohttp.ClientTimeout(total=_SLOWEST, sock_connect=SILENCE, sock_read=SILENCE),
        "response_class": _Response,
        "trace_configs": [_make_trace()],
    }


def describe_timeout(error: BaseException) -> str | None:
    """Return the message for `error` if it says that a server took too long, else None."""
    if isinstance(error, aiohttp.ServerTimeoutError):
        return f"the server has not answered for {SILENCE} s"
    return f"the server has taken more than {_SLOWEST} s" if isinstance(error, asyncio.TimeoutError) else None


@cache  # fsspec compares the options to know whether it has such a file system already
def _make_trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_refuse_silent)
    trace.on_request_exception.append(_note_silent)
    return trace


async def _refuse_silent(_session: object, _context: object, request: aiohttp.TraceRequestStartParams) -> None:
    if time.monotonic() - _silent_since.get(request.url.host, -_MEMORY) < _MEMORY:
        raise aiohttp.ServerTimeoutError


async def _note_silent(_session: object, _context: object, request: aiohttp.TraceRequestExceptionParams) -> None:
    if isinstance(request.exception, aiohttp.ServerTimeoutError):
        _silent_since[request.url.host] = time.monotonic()
