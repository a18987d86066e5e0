"""Explanations of the equations of a layer: in symbols, in shapes, and the activations in them."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.lstm import GATES, LSTM, Role
from lstmdump.lstm.activation_names import word
from lstmdump.model.escape import visible
from lstmdump.report.explain.section import Line, Section, Subject, table

_HARD_SIGMOID = "hard_sigmoid(z) is {} + 0.5, kept between 0 and 1 (in {} it is {} + 0.5)."
_DEFINITIONS = {
    "sigmoid": "σ(z) is the sigmoid, 1/(1+e^-z).",
    "tanh": "",
    "linear": "linear(z) is z itself.",
    "relu": "relu(z) is z, but never below 0.",
    "softsign": "softsign(z) is z/(1+|z|).",
    "softplus": "softplus(z) is log(1+e^z).",
}


def equations(subject: Subject) -> Section:
    """Write the six equations with the activations, forget bias, peepholes, projection and clipping of the layer."""
    lstm, behaviour = subject.lstm, subject.behaviour
    squash, sigma = _name_function(behaviour.activation), _name_function(behaviour.recurrent_activation)
    of_output = squash if behaviour.output_activation is None else _name_function(behaviour.output_activation)
    memory, output = "f∘c + i∘candidate", f"o∘{of_output}(c')"
    memory = f"norm({memory})" if lstm.normalized else memory
    output = output if lstm.projection is None else f"({output})·P"
    sums = {letter: _write_clipped(_write_sum(lstm, letter), behaviour.gate_clip) for letter in GATES}
    lines = [
        (f"i = {sigma}({sums['i']})", "what comes in"),
        (f"f = {sigma}({sums['f']})", "what is kept"),
        (f"candidate = {squash}({sums['c']})", "what could come in"),
        (f"c' = {_write_clipped(memory, behaviour.cell_clip)}", "the new cell state"),
        (f"o = {sigma}({sums['o']})", "what goes out"),
        (f"h' = {_write_clipped(output, behaviour.projection_clip)}", "the new output"),
    ]
    before = "At each step, from the input x and the previous h and c:"
    return Section("The six equations", (Line(before), *table(lines), Line(" ".join(_explain_signs(lstm)))))


def shapes(subject: Subject) -> Section:
    """Write the equations with the shapes of the operands in place of their names."""
    lstm = subject.lstm
    shape = {role: str(role.shape(lstm.sizes)) for role in Role}
    m, h = shape[Role.GATE_BIAS], f"({lstm.sizes.h},)"
    gate = f"({lstm.input_dim},)·{shape[Role.GATE_KERNEL]} + {h}·{shape[Role.GATE_RECURRENT_KERNEL]}"
    gate += f" + {m}" if lstm.use_bias else ""
    output = f"{m}∘{m}" if lstm.projection is None else f"({m}∘{m})·{shape[Role.PROJECTION]}"
    lines = [("each gate", f"{gate} = {m}"), ("c'", f"{m}∘{m} + {m}∘{m} = {m}"), ("h'", f"{output} = {h}")]
    if lstm.peepholes:
        lines[:1] = [("i, f, o", f"{gate} + {m}∘{m} = {m}"), ("candidate", f"{gate} = {m}")]
    return Section("The same equations in shapes", tuple(table(lines)))


def activations(subject: Subject) -> Section:
    """Name and define the activations of the layer."""
    behaviour = subject.behaviour
    gates, states = word(behaviour.recurrent_activation), word(behaviour.activation)
    definitions = [_define(name, behaviour.keras) for name in dict.fromkeys((gates, states))]
    what = f"Gates i, f and o: {gates}. Candidate and output: {states}."
    if behaviour.output_activation is not None:
        what = f"Gates i, f and o: {gates}. Candidate: {states}. Output: {word(behaviour.output_activation)}."
    text = " ".join(filter(None, [what, *definitions, subject.words.activations]))
    return Section("Which activations?", (Line(text),))


def granted(subject: Subject) -> Section | None:
    """List the assumptions about what the file does not state; return None if it states everything."""
    lines = [Line(f"In lstmdump trace: {visible(note)}.") for note in subject.behaviour.notes]
    if subject.doubt:
        lines.append(Line(f"Here: that the layer computes the usual equations. But {visible(subject.doubt)}."))
    return Section("What is assumed?", tuple(lines)) if lines else None


def _define(name: str, keras: int) -> str:
    if name == "hard_sigmoid":
        return _HARD_SIGMOID.format(*(("z/6", "Keras 1 and 2", "0.2·z") if keras == 3 else ("0.2·z", "Keras 3", "z/6")))
    if name.startswith("hard_sigmoid("):
        return "hard_sigmoid(z) is kept between 0 and 1."
    return _DEFINITIONS.get(name, "")


def _name_function(name: object) -> str:
    """Return the symbol of an activation in an equation: σ, or the name without the settings."""
    return "σ" if name == "sigmoid" else word(name).partition("(")[0]


def _write_sum(lstm: LSTM, letter: str) -> str:
    """Return the argument of the activation of a gate."""
    gate = lstm.gates[letter]
    text = f"x·W_{letter} + h·U_{letter}"
    text = f"norm({text})" if lstm.normalized else text
    text += "" if gate.b is None else f" + b_{letter}"
    if letter == "f" and lstm.forget_bias != 0:
        text += f" + {'forget_bias' if lstm.forget_bias is None else lstm.forget_bias}"
    state = "c'" if letter == "o" else "c"
    return text if gate.V is None else f"{text} + {state}∘V_{letter}"


def _explain_signs(lstm: LSTM) -> Iterator[str]:
    yield "x·W and h·U are matrix products, f∘c is elementwise; c' and h' are the new c and h."
    if lstm.peepholes:
        yield "V are the peepholes, through which the gates read c."
    if lstm.projection is not None:
        yield "P is the projection."
    if lstm.normalized:
        yield "norm scales the units to mean 0 and variance 1, multiplies by gamma and adds beta."


def _write_clipped(text: str, bound: float | None) -> str:
    return text if bound is None else f"clip({text}, ±{bound})"
