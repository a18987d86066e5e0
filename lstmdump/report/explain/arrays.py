"""The arrays of a layer: why their rows and columns, which slice is which gate, how many numbers."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.lstm import LSTM, Role
from lstmdump.lstm.slices import Layout, blocks
from lstmdump.model.escape import visible
from lstmdump.report.explain.section import TABLE_INDENT, Line, Section, Subject, table
from lstmdump.report.render.words import count

_WORDS = {"i": "i (input)", "f": "f (forget)", "c": "c (candidate)", "o": "o (output)"}
_TURNED = ("CuDNN's blocks are transposed: .T turns them, after .reshape where the shape was not transposed with the "
           "numbers. Its two biases are added up.")  # fmt: skip
_EXPORT = "lstmdump export writes each as an array of its own."


def rows(subject: Subject) -> Section:
    """Why the kernels have the rows they have."""
    d, h = subject.size("d"), subject.size("h")
    if subject.layout is Layout.ONE_KERNEL:
        text = f"x and h lie end to end, [x, h], and meet one kernel. Its first {d} rows are W, its last {h} are U."
        if subject.lstm.projection is not None:
            text += f" h has what the projection leaves of the {subject.size('m')} units: {h} numbers."
        return Section(f"Why does the kernel have {subject.total('d', 'h')} rows?", (Line(text),))
    if subject.layout is Layout.GATE_ARRAYS:
        text = (f"Keras 1 keeps a W, a U and a b for each of the four gates. W meets x and has a row for each of its "
                f"numbers, {d}; U meets h and has {h}.")  # fmt: skip
        return Section("Why twelve arrays?", (Line(text),))
    text = (
        f"kernel meets x and has a row for each of its numbers, {d}; recurrent_kernel meets h and has {h}. Keras keeps "
        "them apart because each has an initializer and a regularizer of its own. TensorFlow 1 stacks them: "
        f"{subject.total('d', 'h')} rows."
    )
    return Section("Why two kernels, and why these rows?", (Line(text),))


def columns(subject: Subject) -> Section:
    """Why the kernels have the columns they have."""
    m, four = subject.size("m"), subject.columns()
    if subject.layout is Layout.GATE_ARRAYS:
        text = f"One for each unit. Keras 2 lays the four gates side by side, and has {four} columns."
        return Section(f"Why {m} columns?", (Line(text),))
    text = f"Each of the four gates has {m}, one for each unit, and they lie side by side: one product serves them all."
    if subject.lstm.use_bias:
        doubled = subject.layout is Layout.CUDNN
        twice = " twice over, one bias with x and one with h" if doubled else ""
        shape = subject.shape(Role.DOUBLED_BIAS if doubled else Role.BIAS)
        text += f" The bias has a number for each column{twice}: {shape}."
    return Section(f"Why {four} columns?", (Line(text),))


def slices(subject: Subject) -> Section:
    """Which slice of which stored array is which gate's."""
    lstm = subject.lstm
    told = {letter: {array: " + ".join(map(str, found)) for array, found in blocks(lstm, letter)._asdict().items()}
            for letter in lstm.gate_order}  # fmt: skip
    used = [array for array in "WUbV" if any(cells[array] for cells in told.values())]
    head = ("", *(f"{array} {getattr(lstm.gates['i'], array).shape}" for array in used))
    lines = table([
        head, *((letter, *(cells[array] for array in used)) for letter, cells in told.items())
    ])  # fmt: skip
    if max(len(line.text) for line in lines) + TABLE_INDENT > subject.width:
        lines = table([
            (f"{array}_{letter}", cells[array]) for letter, cells in told.items() for array in used if cells[array]
        ])  # fmt: skip
    after = " ".join(_after(subject))
    return Section("Which slice is which gate?", (Line(_before(subject)), *lines, *_stored_names(lstm), Line(after)))


def parameters(subject: Subject) -> Section:
    """The parameter count, step by step."""
    lstm = subject.lstm
    gate = lstm.gates["i"]
    d, m, h = (lstm.sizes[letter] for letter in "dmh")
    twice = subject.layout is Layout.CUDNN
    told = [("W of one gate", f"{d}·{m}", gate.W.size), ("U of one gate", f"{h}·{m}", gate.U.size)]
    if gate.b is not None:
        told.append(("b of one gate", f"2·{m}" if twice else "", gate.b.size * (2 if twice else 1)))
    one = sum(number for *_, number in told)
    told += [("one gate", "", one), ("four gates", f"4·{count(one)}", 4 * one)]
    others = list(_beyond_the_gates(lstm))
    if others:
        told += [*others, ("together", "", 4 * one + sum(number for *_, number in others))]
    lines = table([(name, how, count(number)) for name, how, number in told], numbers=True)
    return Section("How many parameters?", tuple(lines))


def _beyond_the_gates(lstm: LSTM) -> Iterator[tuple[str, str, int]]:
    for role, name in ((Role.PEEPHOLE, "peepholes"), (Role.NORMALIZATION, "gamma and beta")):
        number = sum(weight.role is role for weight in lstm.weights)
        if number:
            yield name, f"{number}·{lstm.units}", number * lstm.units
    if lstm.projection is not None:
        yield "projection", f"{lstm.units}·{lstm.projection}", lstm.units * lstm.projection


def _before(subject: Subject) -> str:
    order = ", ".join(_WORDS[letter] for letter in subject.lstm.gate_order)
    if subject.layout is Layout.GATE_ARRAYS:
        return f"None: each gate has arrays of its own, called by its letter: {order}."
    return f"The gates stand in the order {order}. As numpy cuts them:"


def _after(subject: Subject) -> Iterator[str]:
    if subject.layout is Layout.CUDNN:
        yield _TURNED
    if (projection := subject.lstm.projection_kernel) is not None:
        yield f"P {projection.shape} is projection/kernel."
    yield _EXPORT


def _stored_names(lstm: LSTM) -> Iterator[Line]:
    """What the arrays are called in the file, where it has other names for them."""
    apart = [weight for weight in lstm.weights if not weight.tensor.name.removesuffix(":0").endswith(weight.name)]
    if apart:
        yield Line("The file calls them:")
        yield from table([(weight.name, visible(weight.tensor.name)) for weight in apart])
