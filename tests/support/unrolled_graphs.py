"""Graphs of unrolled loops, whose steps repeat the same nodes."""

from __future__ import annotations

from collections.abc import Callable

from support.tensorflow_builders import integer, node

READERS = b"".join(node(f"{name}/read", "Identity", name) for name in ("kernel", "bias", "peephole"))


def step(number: int, scope: str = "rnn/cell") -> bytes:
    """Return the six nodes of a step of an unrolled loop."""
    before = f"{scope}/h_{number - 1}" if number else "zeros"
    return (
        node(f"{scope}/concat_{number}", "ConcatV2", f"unstack:{number}", before, f"{scope}/axis_{number}")
        + node(f"{scope}/MatMul_{number}", "MatMul", f"{scope}/concat_{number}", "kernel/read")
        + node(f"{scope}/split_{number}", "Split", f"{scope}/axis_{number}", f"{scope}/MatMul_{number}")
        + node(f"{scope}/Add_{2 * number}", "Add", f"{scope}/split_{number}:2", "one", flag=integer(5, 1))
        + node(f"{scope}/Add_{2 * number + 1}", "Add", f"{scope}/Add_{2 * number}", f"{scope}/split_{number}")
        + node(f"{scope}/h_{number}", "Tanh", f"{scope}/Add_{2 * number + 1}")
    )


def unrolled(steps: int, make: Callable[[int], bytes] = step) -> bytes:
    """Return a graph with three nodes, the nodes of `steps` steps, and one node."""
    return READERS + b"".join(map(make, range(steps))) + node("out", "Identity", "h")
