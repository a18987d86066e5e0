"""Explanations of the arrays of a layer: rows and columns, the slice of each gate, the number of parameters."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.lstm import LSTM, Role
from lstmdump.lstm.slices import stored_blocks
from lstmdump.model.escape import visible
from lstmdump.report.explain.section import TABLE_INDENT, Line, Section, Subject, table
from lstmdump.report.render.words import count

_EXPORT = "lstmdump export writes each as a separate array."


def rows(subject: Subject) -> Section:
    """Explain the rows of the kernels."""
    words, text = subject.words, subject.fill(subject.words.rows)
    if subject.lstm.projection is not None:
        text += f" The projection reduces the {subject.size('m')} units to an h of {subject.size('h')} numbers."
    return Section(subject.fill(words.rows_question), (Line(text),))


def columns(subject: Subject) -> Section:
    """Explain the columns of the kernels."""
    words = subject.words
    text = words.columns + (words.bias if subject.lstm.use_bias else "")
    return Section(subject.fill(words.columns_question), (Line(subject.fill(text)),))


def slices(subject: Subject) -> Section:
    """List which slice of which stored array belongs to which gate."""
    lstm = subject.lstm
    blocks = {letter: _name_blocks(lstm, letter) for letter in lstm.gate_order}
    used = [array for array in "WUbV" if any(cells[array] for cells in blocks.values())]
    head = ("", *(f"{array} {getattr(lstm.gates['i'], array).shape}" for array in used))
    lines = table([
        head, *((letter, *(cells[array] for array in used)) for letter, cells in blocks.items())
    ])  # fmt: skip
    if max(len(line.text) for line in lines) + TABLE_INDENT > subject.width:
        lines = table([
            (f"{array}_{letter}", cells[array]) for letter, cells in blocks.items() for array in used if cells[array]
        ])  # fmt: skip
    before, after = subject.fill(subject.words.slices), " ".join(_list_notes(subject))
    return Section("Which slice is which gate?", (Line(before), *lines, *_list_stored_names(lstm), Line(after)))


def parameters(subject: Subject) -> Section:
    """Count the parameters, step by step."""
    lstm = subject.lstm
    gate = lstm.gates["i"]
    d, m, h, _ = lstm.sizes
    steps = [("W of one gate", f"{d}·{m}", gate.W.size), ("U of one gate", f"{h}·{m}", gate.U.size)]
    if gate.b is not None:
        steps.append(("b of one gate", f"{lstm.biases}·{m}" if lstm.biases > 1 else "", lstm.biases * gate.b.size))
    one = sum(number for *_, number in steps)
    steps += [("one gate", "", one), ("four gates", f"4·{count(one)}", 4 * one)]
    others = list(_count_other_arrays(lstm))
    if others:
        steps += [*others, ("together", "", 4 * one + sum(number for *_, number in others))]
    lines = table([(name, how, count(number)) for name, how, number in steps], numbers=True)
    return Section("How many parameters?", tuple(lines))


def _count_other_arrays(lstm: LSTM) -> Iterator[tuple[str, str, int]]:
    for role, name, each in ((Role.PEEPHOLE, "peepholes", 1), (Role.NORMALIZATION, "gamma and beta", 1),
                             (Role.NORMALIZATION_OF_ALL, "gamma and beta of all gates", 4)):  # fmt: skip
        number = each * sum(weight.role is role for weight in lstm.weights)
        if number:
            yield name, f"{number}·{lstm.units}", number * lstm.units
    if lstm.projection is not None:
        yield "projection", f"{lstm.units}·{lstm.projection}", lstm.units * lstm.projection


def _name_blocks(lstm: LSTM, letter: str) -> dict[str, str]:
    """Return, for each array of a gate, the slice of the stored array in words, or the sum of two slices."""
    return {array: " + ".join(map(str, blocks)) for array, blocks in stored_blocks(lstm, letter).items()}


def _list_notes(subject: Subject) -> Iterator[str]:
    if subject.words.after_slices:
        yield subject.words.after_slices
    stored, projection = subject.lstm.stored_projection, subject.lstm.projection_kernel
    if stored is not None and projection is not None:
        turned = ".T" if stored.role is Role.ROW_PROJECTION else ""
        yield f"P {projection.shape} is {stored.name}{turned}."
    yield _EXPORT


def _list_stored_names(lstm: LSTM) -> Iterator[Line]:
    """Yield the names of the arrays in the file if they differ from those in the layer."""
    renamed = [weight for weight in lstm.weights if not weight.tensor.name.removesuffix(":0").endswith(weight.name)]
    if renamed:
        yield Line("Their names in the file:")
        yield from table([(weight.name, visible(weight.tensor.name)) for weight in renamed])
