"""Find the tensors through which all influence on a target passes, and reduce the gradients there.

The gradients of r numbers with respect to such a tensor of n numbers are the rows of P, (r, n). All influence on the
target is P times something, and how large its columns are depends on PᵀP only. So n rows with the same PᵀP do as well,
however many numbers the target has: the classes of a softmax, for instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lstmdump.model.network import NetworkTensor
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.identity import Unchanged
from lstmdump.replay.layers.recurrent.base import RecurrentLayer
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks.propagation import RunnableNetwork


def find(network: RunnableNetwork, target: NetworkTensor, sources: Sequence[NetworkTensor]) -> list[NetworkTensor]:
    """Return the tensors that all paths from `sources` to `target` pass through, from `target` on, which is the first.

    `sources` are not among them.
    """
    open_calls = propagation.find_calls_between(network, [target], sources)
    found: list[NetworkTensor] = []
    live = {target}
    for index in sorted(open_calls, reverse=True):
        made = {tensor for tensor in live if tensor.call == index}
        if made == live and not live & set(sources):
            found += live
        if made:
            live -= made - set(sources)
            live |= {one for one in network.calls[index].inputs if one.call in open_calls or one in sources}
    return found


def find_last_layer(
    network: RunnableNetwork, bottleneck: NetworkTensor, sources: Sequence[NetworkTensor]
) -> RecurrentLayer | None:
    """Return the recurrent layer whose output `bottleneck` is and whose input is the only one of `sources`, if any.

    Layers that return their input do not count.
    """
    call = network.calls[bottleneck.call]
    layer = network.layers.get(call.layer)
    if not isinstance(layer, RecurrentLayer) or not layer.can_sum_squares or bottleneck.output:
        return None
    if len(call.inputs) != 1 or len(sources) != 1:
        return None
    (x,) = call.inputs
    while x not in sources and isinstance(network.layers.get(network.calls[x.call].layer), Unchanged):
        (x,) = network.calls[x.call].inputs
    return layer if x in sources else None


def reduce_rows(parts: Iterable[Array]) -> Array:
    """Return rows with the same products PᵀP as those of all `parts`, each (batch, r, …), but at most n of them."""
    kept: list[Array] = []
    shape: tuple[int, ...] = ()
    for part in parts:
        shape = part.shape[2:]
        kept.append(part.reshape(*part.shape[:2], -1))
        width = kept[0].shape[2]
        if sum(rows.shape[1] for rows in kept) > 2 * width:
            kept = [_reduce(np.concatenate(kept, axis=1))]
    rows = _reduce(np.concatenate(kept, axis=1))
    return rows.reshape(*rows.shape[:2], *shape)


def _reduce(rows: Array) -> Array:
    """Return R of the QR decomposition of `rows`, (batch, r, n), where that is less."""
    if rows.shape[1] <= rows.shape[2] or not np.isfinite(rows).all():
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"))
