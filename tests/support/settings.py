"""Settings of layers as their readers give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstmdump.model.settings import DeferredSettings, from_config


def stated(config: Mapping[str, Any], direction: str | None = None) -> DeferredSettings:
    """Return what a Keras configuration states of a layer, one half of a Bidirectional if it has a `direction`."""
    return DeferredSettings(lambda: from_config(config, direction))
