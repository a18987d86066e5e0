"""Frozen graphs with wrong constants, cycles and excessive sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_tensorflow import (
    CELL,
    FROZEN,
    cell,
    graph,
)
from hostile.lie_lists import Lies
from support import tensorflow_builders as tensorflow
from support.tensorflow_builders import counted, integer, node

LIES = Lies()


def _of_graph(called: str, must: Must, data: Callable[[Random, Sizes], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = scene.directory / "model.pb"
        path.write_bytes(data(scene.random, size))
        return path

    LIES.add(FROZEN, called, must, write)


def _constant(name: str, extents: Any, content: bytes, dtype: int = 1) -> bytes:
    tensor = integer(1, dtype) + counted(2, tensorflow.shape(extents)) + content
    return node(name, "Const", dtype=integer(6, dtype), value=counted(8, tensor)) + node(
        f"{name}/read", "Identity", name
    )


def _instead(size: Sizes, kernel: bytes) -> bytes:
    """Return a frozen graph with this node for the kernel."""
    bias = cell(size)[f"{CELL}/bias"]
    return (kernel + tensorflow.constant(f"{CELL}/bias", bias) + node(f"{CELL}/bias/read", "Identity", f"{CELL}/bias")
            + tensorflow.split_cell(CELL, 1.0))  # fmt: skip


def _kernel(size: Sizes) -> tuple[int, int]:
    return size.d + size.m, 4 * size.m


_of_graph(
    "kernel is too short",
    Must.REFUSED,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", _kernel(size), counted(4, bytes(random.choice([1, 3, 16]))))
    ),
)
_of_graph(
    "kernel is too long",
    Must.REFUSED,
    lambda _, size: _instead(size, _constant(f"{CELL}/kernel", _kernel(size), counted(4, bytes(10_000)))),
)
_of_graph(
    "kernel is a number, too",
    Must.REFUSED,
    lambda random, size: _instead(
        size,
        node(
            f"{CELL}/kernel",
            "Const",
            value=counted(8, tensorflow.tensor(cell(size)[f"{CELL}/kernel"])) + integer(random.choice([3, 5, 6]), 1),
        ),
    ),
)
_of_graph(
    "kernel has terabytes",
    Must.REFUSED,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", (1 << random.choice([24, 40, 62]), 4 * size.m), tensorflow.float32(5, 1))
    ),
)
_of_graph(
    "kernel has too many dimensions",
    Must.EITHER,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", (1,) * random.choice([33, 65, 300]), tensorflow.float32(5, 1))
    ),
)
_of_graph(
    "kernel is text",
    Must.EITHER,
    lambda _, size: _instead(size, _constant(f"{CELL}/kernel", _kernel(size), counted(8, b"text"), 7)),
)
_of_graph(
    "kernel is garbage",
    Must.REFUSED,
    lambda random, size: _instead(size, node(f"{CELL}/kernel", "Const", value=random.randbytes(40))),
)
_of_graph(
    "kernel reads itself",
    Must.EITHER,
    lambda _, size: _instead(size, node(f"{CELL}/kernel", "Identity", f"{CELL}/kernel")),
)
_of_graph(
    "kernel is read in a circle",
    Must.EITHER,
    lambda _, size: _instead(
        size,
        node(f"{CELL}/kernel", "Identity", f"{CELL}/kernel/read")
        + node(f"{CELL}/kernel/read", "Identity", f"{CELL}/kernel"),
    ),
)
_of_graph(
    "kernel is read through thousands of nodes",
    Must.EITHER,
    lambda _, size: (
        graph(size).replace(b"kernel/read", b"kernel/r000")
        + b"".join(node(f"{CELL}/kernel/r{k + 1:03}", "Identity", f"{CELL}/kernel/r{k:03}") for k in range(5000))
    ),
)
_of_graph("every node twice", Must.EITHER, lambda _, size: graph(size) * 2)
_of_graph(
    "tens of thousands of nodes",
    Must.EITHER,
    lambda _, size: graph(size) + b"".join(node(f"n{k}", "NoOp", f"n{k - 1}") for k in range(30_000)),
)
_of_graph("nodes without names", Must.EITHER, lambda _, size: graph(size) + node("", "", "", "") * 1000)
_of_graph(
    "a node with inputs without end",
    Must.EITHER,
    lambda _, size: graph(size) + node("x", "AddN", *[f"{CELL}/kernel"] * 30_000),
)
_of_graph(
    "a strange name",
    Must.EITHER,
    lambda random, size: graph(size).replace(
        b"rnn/lstm_cell",
        random.choice(
            [
                b"rnn/\x1b[31;1m_x",
                b"../../../etc/",
                b"\xe2\x80\xae\xe2\x80\xaeabcdefg",
                b"[bold]x[/bold]"[:13],
                b"\xff" * 13,
            ]
        ),
    ),
)
_of_graph("it is cut short", Must.EITHER, lambda random, size: graph(size)[: random.randrange(20, 400)])
_of_graph(
    "a function that calls itself",
    Must.EITHER,
    lambda _, size: (
        graph(size)
        + counted(
            2, counted(1, counted(1, counted(1, "f")) + node("w", "While", body=counted(10, counted(1, "f")))[2:])
        )
        + node("w", "While", body=counted(10, counted(1, "f")))
    ),
)
