from __future__ import annotations

import pytest

from lstmdump.lstm.roles import Role, Sizes, count_formula

# 64 units on 12 inputs; and 144 units on 10 inputs, projected to 98.
SIZES = Sizes(d=12, m=64, h=64, p=64)
PROJECTED = Sizes(d=10, m=144, h=98, p=98)


@pytest.mark.parametrize(
    ("role", "shape", "formula"),
    [
        (Role.KERNEL, (12, 256), "12×4·64"),
        (Role.RECURRENT_KERNEL, (64, 256), "64×4·64"),
        (Role.FUSED_KERNEL, (76, 256), "(12+64)×4·64"),
        (Role.BIAS, (256,), "4·64"),
        (Role.DOUBLED_BIAS, (512,), "2·4·64"),
        (Role.GATE_KERNEL, (12, 64), "12×64"),
        (Role.GATE_RECURRENT_KERNEL, (64, 64), "64×64"),
        (Role.GATE_BIAS, (64,), "64"),
        (Role.PEEPHOLE, (64,), "64"),
    ],
)
def test_a_shape_and_its_reason_come_from_one_table(role: Role, shape: tuple[int, ...], formula: str) -> None:
    assert (role.shape(SIZES), role.formula(SIZES)) == (shape, formula)


def test_a_projection_is_fed_back_instead_of_the_units() -> None:
    assert Role.FUSED_KERNEL.shape(PROJECTED) == (10 + 98, 4 * 144)
    assert Role.PROJECTION.formula(PROJECTED) == "144×98"


@pytest.mark.parametrize("role", Role)
def test_a_formula_evaluates_to_its_shape(role: Role) -> None:
    extents = role.formula(SIZES).split("×")
    assert tuple(eval(extent.replace("·", "*"), {}) for extent in extents) == role.shape(SIZES)  # noqa: S307


@pytest.mark.parametrize(
    ("biases", "vectors", "projection", "expected"),
    [
        (1, 0, False, "4·((12+64)·64 + 64)"),
        (0, 0, False, "4·(12+64)·64"),
        (2, 0, False, "4·((12+64)·64 + 2·64)"),
        (1, 3, False, "4·((12+64)·64 + 64) + 3·64"),
        (1, 0, True, "4·((12+64)·64 + 64) + 64·64"),
    ],
)
def test_the_closed_form_of_a_count(biases: int, vectors: int, projection: bool, expected: str) -> None:
    assert count_formula(SIZES, biases=biases, vectors=vectors, projection=projection) == expected


@pytest.mark.parametrize(
    ("role", "letters"),
    [
        (Role.KERNEL, "(d, 4·m)"),
        (Role.FUSED_KERNEL, "(d+h, 4·m)"),
        (Role.BIAS, "(4·m,)"),
        (Role.DOUBLED_BIAS, "(2·4·m,)"),
        (Role.PROJECTION, "(m, p)"),
    ],
)
def test_a_shape_can_be_written_in_letters(role: Role, letters: str) -> None:
    assert role.letters == letters
