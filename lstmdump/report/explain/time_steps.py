"""Explanations of time steps, their direction, and the states h and c."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.lstm import behaviour
from lstmdump.model.escape import visible
from lstmdump.model.sentences import conjoined
from lstmdump.model.settings import InvalidSetting
from lstmdump.report.explain.section import Line, Section, Subject, table

_PAIR = ("A Bidirectional has two halves, each with its own arrays: the forward half goes from the first step to the "
         "last, the backward half from the last to the first. Their outputs are joined")  # fmt: skip
_BATCH = "batch"
_INFLUENCE = (
    "How much each step matters depends on the data as well: lstmdump lags MODEL -i x.npy gives its influence on the "
    "prediction, through all layers behind this one that the file describes; with --of LAYER, that on the last h of a "
    "layer, whatever the model makes of it."
)
_TENSORFLOW_LITE = (
    "An operator that is a whole LSTM gives h of every step, and keeps h and c for the next run of the model until "
    "reset_all_variables of the interpreter is called; a loop begins with 0, and gives the last h and c if the model "
    "returns them."
)
_EVERY_STEP = "lstmdump trace MODEL -i x.npy -o states.npz gives h and c of every step."


def time(subject: Subject) -> Section:
    """Explain why no shape has `time_steps`, and which command tells how much each step matters."""
    d = subject.size("d")
    batch = _name_batch(subject)
    text = (
        f"In no shape. The data is ({batch}, time_steps, {d}); the layer takes it step by step, ({batch}, {d}) at a "
        "time, with the same arrays at every step. A longer sequence takes more time, but no more parameters. Only h "
        "and c are passed from one step to the next."
    )
    if batch != _BATCH:
        text += " n is the axis that the TimeDistributed around the layer adds: a sequence for each."
    return Section("Where is time_steps?", (Line(text), Line(_INFLUENCE)))


def data(subject: Subject) -> Section | None:
    """Give the shape of the data that the layer was built for; return None if the file does not state it."""
    steps, d = subject.lstm.settings.time_steps, subject.lstm.input_dim
    if steps is None:
        return None
    shape = f"({_name_batch(subject)}, {steps}, {d})"
    text = f"{shape}, according to the configuration. The same arrays work for any number of time steps."
    return Section("Which data was the layer built for?", (Line(text),))


def direction(subject: Subject) -> Section | None:
    """Explain the direction of the steps; return None for a plain forward layer."""
    half, backwards = behaviour.half(subject.lstm), subject.behaviour.go_backwards
    if half is None and not backwards:
        return None
    text = "From the last step to the first" if backwards else "From the first step to the last"
    if half is not None:
        text = _PAIR if backwards == (half == "backward") else f"{text}. It is the {half} half of a Bidirectional"
    elif not subject.behaviour.is_aligned:
        text += " (go_backwards), which is also the order of the outputs"
    return Section("In which direction?", (Line(f"{text}."),))


def states(subject: Subject) -> Section:
    """Explain h and c, and which calls return them."""
    m, h, batch = subject.size("m"), subject.size("h"), _name_batch(subject)
    both = f"both are ({batch}, {m})" if h == m else f"they are ({batch}, {h}) and ({batch}, {m})"
    given = " ".join([_explain_first_states(subject), *_explain_lengths(subject)])
    what = (f"h ({h},) is the output of a step, c ({m},) the cell state, which stays inside. Each sequence of a batch "
            f"has its own, so {both}. {given}")  # fmt: skip
    if subject.layout.framework == "PyTorch":
        return Section("What are h and c?", (Line(what), Line(_explain_calls_of_pytorch(subject))))
    if subject.layout.framework == "ONNX":
        return Section("What are h and c?", (Line(what), Line(_explain_outputs_of_onnx(subject))))
    if subject.layout.framework == "TensorFlow Lite":
        return Section("What are h and c?", (Line(what), Line(f"{_TENSORFLOW_LITE} {_EVERY_STEP}")))
    if subject.layout.is_of_tensorflow_1:
        calls = (f"dynamic_rnn and static_rnn return h of every step, but c of the last one only, in the state (c, h). "
               f"{_EVERY_STEP}")  # fmt: skip
        return Section("What are h and c?", (Line(what), Line(calls)))
    rows = [
        ("return_sequences=False", f"h of the last step, ({batch}, {h})"),
        ("return_sequences=True", f"h of every step, ({batch}, time_steps, {h})"),
        ("return_state=True", f"also the last h and the last c, ({batch}, {m}) each"),
    ]
    if subject.lstm.settings.feeds is not None:
        rows = [
            ("return_sequences", "h of the last cell of the stack, not of this one"),
            ("return_state=True", f"also the last h and the last c of each cell, here ({batch}, {m}) each"),
        ]
    after = f"It never returns c of earlier steps. {_EVERY_STEP}"
    return Section("What are h and c?", (Line(f"{what} What Keras returns:"), *table(rows), Line(after)))


def _explain_outputs_of_onnx(subject: Subject) -> str:
    m, batch = subject.size("m"), _name_batch(subject)
    return (
        f"A node LSTM gives Y, h of every step, (time_steps, directions, {batch}, {m}), and Y_h and Y_c, those of the "
        f"last step of each direction. It never gives c of earlier steps. {_EVERY_STEP}"
    )


def _explain_calls_of_pytorch(subject: Subject) -> str:
    if subject.lstm.kind == "LSTMCell":
        return f"nn.LSTMCell computes one step and returns (h', c'), which the program gives to the next. {_EVERY_STEP}"
    h, batch = subject.size("h"), _name_batch(subject)
    return (
        f"nn.LSTM returns output, (h_n, c_n). output is h of every step of its last layer, ({batch}, time_steps, {h}) "
        f"with batch_first=True and else (time_steps, {batch}, {h}), twice as wide with both directions; h_n and c_n "
        f"are those of the last step of each layer. It never returns c of earlier steps. {_EVERY_STEP}"
    )


def returned(subject: Subject) -> Section | None:
    """Explain what the layer returns; return None if the file does not state it."""
    settings, m, batch = subject.lstm.settings, subject.lstm.units, _name_batch(subject)
    sequences, state = settings.return_sequences, settings.return_state
    if not isinstance(sequences, bool) or isinstance(state, InvalidSetting):
        return None
    options = f"return_sequences={sequences}" + ("" if state is None else f", return_state={state}")
    is_inner = settings.feeds is not None
    width = (settings.returned_units or "units of that cell") if is_inner else m
    text = f"h of {'every' if sequences else 'the last'} step, ({batch}, {'time_steps, ' if sequences else ''}{width})"
    if state:
        text += f", and the last h and the last c{' of each cell, here' if is_inner else ','} ({batch}, {m}) each"
    if settings.feeds is None:
        return Section("What does this layer return?", (Line(f"With {options}: {text}."),))
    following = visible("/".join([*subject.lstm.name.split("/")[:-1], settings.feeds]))
    goes = f"At every step, h goes to the next cell, {following}. The layer around them returns h of the last cell only"
    return Section("What does this cell return?", (Line(f"{goes}; with {options}: {text}."),))


def _name_batch(subject: Subject) -> str:
    """Return the axes before the time steps: `batch`, and one for each TimeDistributed around the layer."""
    repeats = subject.lstm.settings.time_distributed or 0
    axes = ["n"] if repeats == 1 else [f"n{number}" for number in range(1, repeats + 1)]
    return ", ".join([_BATCH, *axes])


def _explain_first_states(subject: Subject) -> str:
    """Return what h and c are before the first step, as far as the file states it."""
    settings = subject.lstm.settings
    if settings.first_states_from:
        names = visible(conjoined(settings.first_states_from))
        return f"Before the first step they are given by {names} (initial_state)."
    if settings.stateful is True or settings.stored_states:
        text = "Before the first step they are the last ones of the batch before (stateful), and 0 at the beginning."
        return f"{text} The file holds the last ones." if settings.stored_states else text
    if settings.first_states_from is None:
        return "Before the first step they are 0, unless the model gives others (initial_state)."
    return "Before the first step they are 0."


def _explain_lengths(subject: Subject) -> Iterator[str]:
    """Yield what h and c are behind the end of a sequence, if the file states where it ends."""
    lengths = behaviour.describe_lengths(subject.lstm)
    if lengths is not None:
        yield (f"Steps behind the length of a sequence (sequence_length, {visible(lengths)}) are skipped: the output "
               "is 0 there, and h and c stay as they are for the next step.")  # fmt: skip
