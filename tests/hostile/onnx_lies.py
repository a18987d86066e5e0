"""ONNX models with wrong tensors, files elsewhere, cycles, and values that are far larger than the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_onnx import NODE, ONNX, arrays, graph
from hostile.lie_lists import EXTREMES, Lies
from support import onnx_builders as onnx
from support.tensorflow_builders import counted, integer, varint

LIES = Lies()

Make = Callable[[Random, Sizes], onnx.Graph]


def _of_graph(called: str, must: Must, make: Make) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        return onnx.write(scene.directory / "model.onnx", make(scene.random, size))

    LIES.add(ONNX, called, must, write)


def _of_bytes(called: str, must: Must, change: Callable[[Random, Sizes, bytes], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = scene.directory / "model.onnx"
        path.write_bytes(change(scene.random, size, onnx.model(graph(size))))
        return path

    LIES.add(ONNX, called, must, write)


def _declared(name: str, extents: list[int], content: bytes = bytes(16)) -> bytes:
    return b"".join(integer(1, extent) for extent in extents) + integer(2, 1) + counted(8, name) + counted(9, content)


def _computing(size: Sizes, nodes: list[bytes], name: str = "made") -> onnx.Graph:
    """Return a graph whose LSTM takes the value `name`, which `nodes` compute, as its W."""
    stored = [onnx.tensor(letter, values) for letter, values in arrays(size).items()]
    node = onnx.node("LSTM", ["X", name, "R", "B"], ["Y"], NODE)
    return onnx.Graph([*nodes, node], stored, [onnx.value("X")], [onnx.value("Y")])


_of_graph("W is too short", Must.REFUSED, lambda _, size: graph(size, W=_declared("W", [1, 4 * size.m, size.d])))
_of_graph(
    "W has terabytes",
    Must.REFUSED,
    lambda random, size: graph(size, W=_declared("W", [1, 4 * size.m, random.choice(EXTREMES)])),
)
_of_graph("W has too many axes", Must.REFUSED, lambda _, size: graph(size, W=_declared("W", [1] * 300, bytes(4))))
_of_graph(
    "R is not square",
    Must.REFUSED,
    lambda _, size: graph(size, R=onnx.tensor("R", np.zeros((1, 4 * size.m, size.m + 1), np.float32))),
)
_of_graph(
    "W has no numbers",
    Must.REFUSED,
    lambda _, size: graph(size, W=integer(1, 1) + integer(1, 4 * size.m) + integer(1, size.d) + integer(2, 1)
                          + counted(8, "W")),
)  # fmt: skip
_of_graph(
    "W is of an unknown type",
    Must.EITHER,
    lambda random, size: graph(size, W=_declared("W", [1, 4 * size.m, size.d]).replace(
        integer(2, 1), integer(2, random.choice([0, 8, 17, 99])), 1)),
)  # fmt: skip
_of_graph(
    "W takes itself",
    Must.EITHER,
    lambda _, size: _computing(size, [onnx.node("Identity", ["made"], ["made"])]),
)
_of_graph(
    "W goes in a circle",
    Must.EITHER,
    lambda _, size: _computing(
        size, [onnx.node("Identity", ["a"], ["made"]), onnx.node("Concat", ["made", "W"], ["a"], axis=0)]
    ),
)
_of_graph(
    "W is concatenated with itself again and again",
    Must.REFUSED,
    lambda _, size: _computing(
        size,
        [onnx.node("Concat", [f"v{k}"] * 2, [f"v{k + 1}"], axis=0) for k in range(60)],
        "v60",
    ).named("v0", "W"),
)
_of_graph(
    "W is cut and joined in a million ways",
    Must.EITHER,
    lambda _, size: _computing(
        size,
        [
            part
            for k in range(30)
            for part in (
                onnx.constant(f"b{k}", [0]) + b"",
                onnx.constant(f"e{k}", [2 * size.m]),
                onnx.constant(f"a{k}", [1]),
                onnx.node("Slice", [f"v{k}", f"b{k}", f"e{k}", f"a{k}"], [f"s{k}"]),
                onnx.node("Concat", [f"s{k}", f"s{k}"], [f"v{k + 1}"], axis=1),
            )
        ],
        "v30",
    ).named("v0", "W"),
)
_of_graph(
    "W is reshaped to terabytes",
    Must.EITHER,
    lambda random, size: _computing(
        size,
        [onnx.constant("shape", [1, random.choice([1 << 40, 1 << 62]), -1]),
         onnx.node("Reshape", ["W", "shape"], ["made"])],
    ),
)  # fmt: skip
_of_graph(
    "W is read through thousands of nodes",
    Must.EITHER,
    lambda _, size: _computing(
        size, [onnx.node("Identity", [f"v{k}"], [f"v{k + 1}"]) for k in range(5000)], "v5000"
    ).named("v0", "W"),
)
_of_graph(
    "graphs within graphs",
    Must.EITHER,
    lambda random, size: _nest(graph(size), random.choice([20, 150, 400])),
)
_of_graph(
    "tens of thousands of nodes",
    Must.EITHER,
    lambda _, size: graph(size).with_nodes([onnx.node("Relu", [f"n{k}"], [f"n{k + 1}"]) for k in range(20_000)]),
)
_of_graph(
    "a million activations",
    Must.EITHER,
    lambda _, size: onnx.lstm(arrays(size), name=NODE,
                              activations=["Sigmoid"] * 50_000),
)  # fmt: skip
_of_graph(
    "two tensors of one name", Must.REFUSED, lambda _, size: graph(size, again=onnx.tensor("W", arrays(size)["W"]))
)
_of_graph(
    "numbers are in a file elsewhere",
    Must.REFUSED,
    lambda random, size: graph(size, W=onnx.external("W", [1, 4 * size.m, size.d], location=random.choice(
        ["../secret", "/etc/passwd", "a/b", "..", "", "C:\\x", "file:///etc/passwd", "x\0y", "./W", "~"]))),
)  # fmt: skip
_of_bytes("it is cut short", Must.REFUSED, lambda random, _, data: data[: random.randrange(30, len(data) - 8)])
_of_bytes("two graphs", Must.REFUSED, lambda _, size, data: data + counted(7, graph(size).encode()))
_of_bytes("an endless number", Must.REFUSED, lambda _, __, data: data[:2] + b"\x10" + b"\xff" * 20 + data[2:])
_of_bytes(
    "a length beyond the file",
    Must.REFUSED,
    lambda random, _, data: data.replace(counted(8, "W"), varint(8 << 3 | 2) + varint(random.choice(EXTREMES[3:])), 1),
)


@LIES.register(ONNX, Must.REFUSED)
def numbers_are_behind_a_link(scene: Scene, size: Sizes) -> Path:
    """External data in a link that leads out of the model's directory."""
    target = next(path for path in sorted(scene.secrets.rglob("*")) if path.is_file())
    (scene.directory / "weights.bin").symlink_to(target)
    stored = onnx.external("W", [1, 4 * size.m, size.d], location="weights.bin")
    return onnx.write(scene.directory / "model.onnx", graph(size, W=stored))


@LIES.register(ONNX, Must.REFUSED)
def numbers_reach_beyond_their_file(scene: Scene, size: Sizes) -> Path:
    """External data at offsets behind the end of the file."""
    (scene.directory / "weights.bin").write_bytes(bytes(64))
    offset = scene.random.choice([0, 60, 1 << 31, 1 << 62, "-4", "0x10", "1e3"])
    stored = onnx.external("W", [1, 4 * size.m, size.d], location="weights.bin", offset=offset)
    return onnx.write(scene.directory / "model.onnx", graph(size, W=stored))


@LIES.register(ONNX, Must.EITHER)
def a_thousand_arrays_are_one_in_their_file(scene: Scene, size: Sizes) -> Path:
    """Arrays that all begin at one offset, and declare a thousand times what is stored."""
    (scene.directory / "weights.bin").write_bytes(bytes(1 << 20))
    others = {f"x{k}": onnx.external(f"x{k}", [1 << 18], location="weights.bin") for k in range(1000)}
    return onnx.write(scene.directory / "model.onnx", graph(size, **others))


def _nest(inner: onnx.Graph, depth: int) -> onnx.Graph:
    for _ in range(depth):
        inner = onnx.Graph([onnx.node("If", ["condition"], ["Y"], then_branch=inner)])
    return inner
