"""Slots of optimizers in checkpoints of objects: one note, listed by `--all`, and never counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tensorflow_builders import Object, Variable, layer, write_checkpoint

import lstmdump

GENUINE = Path(__file__).parents[3] / "genuine"


def with_slots() -> Object:
    """Return a model of 128 numbers in three weights, and an optimizer with two slots for the kernel, (3, 16) each."""
    one = layer("lstm")
    kernel = one.children["cell"].children["kernel"]  # type: ignore[union-attr]
    slots = [Variable(f"Adam/lstm/kernel/{letter}", np.zeros((3, 16), "f4")) for letter in "mv"]
    optimizer = Object({"iter": Variable("Adam/iter", np.array(5, "i8"))},
                       slots=[(kernel, letter, slot) for letter, slot in zip("mv", slots, strict=True)])  # type: ignore[misc]  # fmt: skip
    return Object({"layer_with_weights-0": one, "optimizer": optimizer})


def test_slots_have_a_note_and_are_not_counted(tmp_path: Path) -> None:
    with lstmdump.open(write_checkpoint(tmp_path / "x", with_slots())) as model:
        assert model.model.parameters == 128
        assert model.model.notes[-1] == "beside 3 weights: Adam (96)"


def test_all_lists_slots(tmp_path: Path, run: Any) -> None:
    fields = json.loads(run("--json", "--all", write_checkpoint(tmp_path / "x", with_slots())).out)
    listed = [(other["tensor"].split("/")[-3], other["counted"]) for other in fields["others"]]
    assert sorted(listed) == [("m", False), ("v", False)]


def test_slots_are_known_without_the_data(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "x", with_slots())
    (tmp_path / "x.data-00000-of-00001").unlink()
    with lstmdump.open(path) as model:
        assert model.model.notes[-1] == "beside 3 weights: optimizer (96)"


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("keras-2.12.0-ckpt_kw-legacy_adam/w", "Adam"), ("keras-2.12.0-ckpt-adam/ckpt-1", "Adam"),
     ("keras-3.15.1-ckpt-adam/ckpt-1", "adam")],
)  # fmt: skip
def test_slots_of_each_generation_of_optimizers_are_found(name: str, optimizer: str) -> None:
    # Adam has two numbers for each weight, and the models have eleven weights, all of them trained
    with lstmdump.open(GENUINE / name) as model:
        size = 2 * (model.model.parameters or 0)
        assert model.model.notes[-1] == f"beside 11 weights: {optimizer} ({size:,})"


def test_an_optimizer_without_slots_has_no_note(tmp_path: Path) -> None:
    root = Object({"layer_with_weights-0": layer("lstm"),
                   "optimizer": Object({"iter": Variable("SGD/iter", np.array(5, "i8")),
                                        "learning_rate": Variable("SGD/learning_rate", np.array(0.1, "f4"))})})  # fmt: skip
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert not any(note.startswith("beside") for note in model.model.notes)
