"""Run `lstmdump trace` on inputs recorded from frameworks, and report the differences from their outputs.

For `X.io.npz` below a directory, the models are the files and directories next to it with the name `X`, or `X.` and a
suffix: the recording holds `layer|x` and `layer|y` for layers of these models, with `%` instead of `/`. For `io.npz`,
they are all directories next to it; in a recording of `x`, `h` and `states_c`, the layer is the only one. A recording
of `x` and any outputs, as of other runtimes, is that of the model: each output must be among all that `trace` writes.

A file that holds only weights does not describe all that its layers compute. `trace` states this in notes, which name
the options that override its assumptions: these options are given here, as far as it is known how the model was made.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

import lstmdump
from lstmdump import cli
from lstmdump.replay.connections import join

TOLERANCE = 1e-5
_ENDING = "io.npz"
_PARTS = re.compile(
    r"\.(meta|data-\d+-of-\d+|pbtxt|txt|json|onnx\.data|(truth|stored)\.npz)$"
)  # of checkpoints, which are represented by their .index, and what is known of models of other runtimes
_ONE_WIDTH = ("sum", "mul", "ave")

Options = Mapping[str, tuple[str, ...]]
_HARD, _SIGMOID = ({"--recurrent-activation": ("--recurrent-activation", word)} for word in ("hard_sigmoid", "sigmoid"))
_MADE: tuple[tuple[str, Options], ...] = (
    ("act_backwards.", {"--activation": ("--activation", "relu"), "--go-backwards": ("--go-backwards",), **_SIGMOID}),
    ("v1lstm", _HARD),  # the LSTM of TensorFlow 1 in TensorFlow 2
    ("tf.keras-1.", _HARD),
    ("tf.keras-2.", _SIGMOID),
)
"""How models were made whose weights alone do not show it, by a part of the path: the first match counts."""

_FED = {"deep": ("blocks/0", "blocks/1")}
"""Modules that a program in PyTorch runs on the output of another one, by the name of the model: giver and taker."""
_ASKED_FOR: tuple[tuple[str, ...], ...] = (("--chain",), ("--forget-bias", "1"))
"""Options that are given to a model which `trace` refuses without them, as its error says."""
_ROUNDED = ("int8.tflite", 0.1)
"""The tolerance for models, by the end of their names, whose runtime rounds inputs and states to 8 bits at every step.
A step of the input is 0.02, and weights of up to 1 sum up several of half of that; the largest recorded is 0.055."""
_ROUNDED_BEFORE = (
    "recorded by Keras, before the converter rounded the numbers; the runtime's own output is not recorded"
)
_LEFT_OUT = {
    "tfjs-graph/plain-uint8": _ROUNDED_BEFORE,
    "tfjs-layers/bi-float16": _ROUNDED_BEFORE,
    "tfjs-layers/plain-float16": _ROUNDED_BEFORE,
    "tfjs-layers/stacked-uint8": _ROUNDED_BEFORE,
    "tf-2.21.0-keras3/tflite/plain-float32": "holds no numbers: the converter left out the variables",
}
"""Recordings that are not reproduced, by a part of the path of the model, with the reason."""
_NOT_COMPARED = ("x", "out")  # `out` is made by layers behind the LSTM that a state dict does not connect with it


class Recording(NamedTuple):
    """An input, and the outputs that a framework computed from it with a layer; None is the only layer of the model.

    Attributes:
        outputs: By `h` or `c`, (batch, length, m), or (batch, m) for the step that was computed last.
        is_of_model: Whether each output is among all that `trace` writes: (batch, length, m) or (batch, m), or several
            of these, one for each layer and direction.
    """

    model: Path
    layer: str | None
    x: np.ndarray
    outputs: Mapping[str, np.ndarray]
    is_of_model: bool = False


class Outcome(NamedTuple):
    """The outcome of a recording.

    Attributes:
        difference: The largest difference; infinite where nothing could be compared.
        words: Why it is not reproduced.
        options: The options that were given, because the file does not describe this.
    """

    recording: Recording
    difference: float
    words: str
    options: tuple[str, ...] = ()

    @property
    def is_reproduced(self) -> bool:
        """Whether the difference is only due to rounding."""
        ending, most = _ROUNDED
        return self.difference <= (most if self.recording.model.name.endswith(ending) else TOLERANCE)


def main(words: Sequence[str]) -> int:
    """Reproduce the recordings below the given directories; return 1 if one fails, or there is none."""
    parser = argparse.ArgumentParser(prog="python tests/recordings", description=__doc__)
    parser.add_argument("directories", metavar="DIR", nargs="+", type=Path)
    outcomes = []
    for directory in parser.parse_args(words).directories:
        for release, those in by_release(directory):
            outcomes += those
            print(_tally(release, those), flush=True)
    missed = [outcome for outcome in outcomes if not outcome.is_reproduced]
    left_out = [outcome for outcome in missed if _find_reason(outcome.recording.model)]
    for outcome in left_out:
        print(f"{outcome.recording.model}: left out: {_find_reason(outcome.recording.model)}")
    failed = [outcome for outcome in missed if outcome not in left_out]
    for outcome in failed:
        print(f"{outcome.recording.model}: {outcome.recording.layer or 'its layer'}: {outcome.words}")
    with_options = sum(bool(outcome.options) for outcome in outcomes)
    if with_options:
        print(f"{with_options} of {len(outcomes)} with options, as the file does not describe the whole layer")
    apart = f"{len(left_out)} left out, " if left_out else ""
    print(f"{len(outcomes) - len(missed)} reproduced, {apart}{len(failed)} not")
    return 1 if failed or not outcomes else 0


def _find_reason(model: Path) -> str:
    """Return why the recording of `model` is left out; empty if it is not."""
    return next((reason for part, reason in _LEFT_OUT.items() if part in model.as_posix()), "")


def _tally(release: str, outcomes: Sequence[Outcome]) -> str:
    good = [outcome.difference for outcome in outcomes if outcome.is_reproduced]
    files = len({outcome.recording.model for outcome in outcomes})
    largest = f"largest difference {max(good):.1e}" if good else "none"
    return f"{release:32} {len(good):4} of {len(outcomes):4} layers in {files:3} files  {largest}"


def by_release(directory: Path) -> Iterator[tuple[str, list[Outcome]]]:
    """Yield the outcomes of the recordings below `directory`, by its subdirectories."""
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.rglob(f"*{_ENDING}")):
        place = path.relative_to(directory).parts
        found.setdefault(place[0] if len(place) > 1 else directory.name, []).append(path)
    for release, paths in found.items():
        yield release, [reproduce(recording) for path in paths for recording in recordings(path)]


def recordings(path: Path) -> Iterator[Recording]:
    """Yield the recordings in the file at `path`, for each model next to it."""
    with np.load(path) as archive:
        arrays = dict(archive)
    for model in _find_models(path) or [path]:  # which is not a model, and is reported as such
        if "x" in arrays and "states_c" in arrays:
            yield Recording(model, None, arrays["x"], {"h": arrays["h"], "c": arrays["states_c"]})
        elif "x" in arrays:
            outputs = {key: values for key, values in arrays.items() if key not in _NOT_COMPARED}
            yield _with_batch_first(Recording(model, None, arrays["x"], outputs, is_of_model=True))
        for key, x in arrays.items():
            layer, is_layer, what = key.rpartition("|")
            if is_layer and what == "x":
                yield Recording(model, layer.replace("%", "/"), x, {"h": arrays[f"{layer}|y"]})


def _with_batch_first(recording: Recording) -> Recording:
    """Return a recording with the sequences first, of one in which the steps are, as their states show."""
    x, outputs = recording.x, recording.outputs
    states = outputs.get("h")
    if states is None or states.ndim != 3 or states.shape[1] == x.shape[0]:
        return recording
    turned = {key: values.swapaxes(0, 1) if key == "y" else values for key, values in outputs.items()}
    return recording._replace(x=x.swapaxes(0, 1), outputs=turned)


def _find_models(path: Path) -> list[Path]:
    stem = path.name.removesuffix(_ENDING).removesuffix(".")
    if not stem:
        return [other for other in sorted(path.parent.iterdir()) if other.is_dir()]
    return [other for other in sorted(path.parent.iterdir())
            if (other.name == stem or other.name.startswith(f"{stem}."))
            and not other.name.endswith(_ENDING) and not _PARTS.search(other.name)]  # fmt: skip


def reproduce(recording: Recording) -> Outcome:
    """Run the layer of `recording` and compare."""
    with tempfile.TemporaryDirectory() as place:
        x, out = Path(place, "x.npy"), Path(place, "states.npz")
        np.save(x, recording.x)
        status, made, err = _trace(recording, x, out)
        if status and recording.is_of_model:  # a graph that shows which layers follow each other
            status, made, err = _trace(recording, x, out, "--chain", *_choose_chained(recording.model))
        options = () if status else _find_options(recording.model, json.loads(made)["notes"])
        if status:
            options = next((words for words in _ASKED_FOR if words[0] in err), ())
        if options:
            status, made, err = _trace(recording, x, out, *options, "--force")
        if status:
            return Outcome(recording, np.inf, err.strip())
        states = _load(out)
        giver, taker = next((fed for part, fed in _FED.items() if part in recording.model.name), ("", ""))
        if f"{giver}/y" in states:
            np.save(x, states[f"{giver}/y"])
            _trace(recording, x, out, "--force", "-l", taker)
            states |= _load(out)
    if recording.is_of_model:
        return _compare_all(recording, states | _run_heads(recording.model, states))._replace(options=options)
    names = [layer["name"] for layer in json.loads(made)["layers"]]
    return _compare(recording, names, states)._replace(options=options)


def _choose_chained(model: Path) -> tuple[str, ...]:
    """Return the option for the layers that are chained, of a model that has others besides."""
    giver, _ = next((fed for part, fed in _FED.items() if part in model.name), ("", ""))
    return ("-l", f"{giver.rpartition('/')[0]}/*") if giver else ()


def _run_heads(model: Path, states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what products in a model of TensorFlow Lite make of each h, which `trace` does not run."""
    if model.suffix != ".tflite":
        return {}
    found = {}
    with lstmdump.open(model) as opened:
        for layer in opened.model.root.walk():
            kernel, bias = (layer.weights.get(place) for place in ("1", "2"))
            if not layer.name.startswith("FULLY_CONNECTED") or kernel is None:
                continue
            matrix, added = kernel.read(), 0 if bias is None else bias.read()
            found |= {
                f"{name} {layer.name}/y": values @ matrix.T + added
                for name, values in states.items()
                if name.endswith("/h") and values.shape[-1] == matrix.shape[1]
            }
    return found


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _trace(recording: Recording, x: Path, out: Path, *options: str) -> tuple[int, str, str]:
    """Return the status, stdout and stderr of the command."""
    chosen = [] if recording.layer is None else ["-l", _make_glob(recording.layer), "--into", recording.layer]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        words = ["trace", str(recording.model), "-i", str(x), "-o", str(out), "--json", *chosen, *options]
        status = cli.run(words)
    out_text, err_text = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    return status, out_text, err_text


def _make_glob(layer: str) -> str:
    """Return a pattern for the layer, and for the layers in it if it is a wrapper."""
    return re.sub(r"([*?[])", r"[\1]", layer)


def _find_options(model: Path, notes: Iterable[str]) -> tuple[str, ...]:
    """Return the options that `notes` name, with what is known of how `model` was made."""
    made = next((options for part, options in _MADE if part in "/".join(model.parts[-3:])), {})
    text = " ".join(notes)
    return tuple(
        word for option, words in made.items() if re.search(rf"(?<!\S){option}\b(?!-)", text) for word in words
    )


def _compare(recording: Recording, names: Sequence[str], states: Mapping[str, np.ndarray]) -> Outcome:
    worst = 0.0
    for member, expected in recording.outputs.items():
        outputs = [states[f"{name}/{member}"] for name in names]
        if expected.ndim == 2:
            outputs = [_take_last(output, second=k == 1, of=len(outputs)) for k, output in enumerate(outputs)]
        worst = max(worst, _find_difference(outputs, expected))
    return Outcome(recording, worst, f"differs by {worst:.1e} ({', '.join(names)})")


def _compare_all(recording: Recording, states: Mapping[str, np.ndarray]) -> Outcome:
    """Compare each output with the nearest of what was computed: outputs and states of all steps, or of the last."""
    written = [values for name, values in states.items() if name.rpartition("/")[2] in ("y", "h", "c")]
    outputs = [values for name, values in states.items() if name.rpartition("/")[2] == "h"]
    written += [np.concatenate(pair, axis=2) for pair in pairwise(outputs) if pair[0].shape[:2] == pair[1].shape[:2]]
    steps = [values for values in written if values.ndim == 3]
    computed = [*written, *(values[:, -1] for values in steps), *(values[:, 0] for values in steps)]
    if recording.model.suffix == ".tflite":  # whose halves of a Bidirectional are in any order
        turned = [
            np.concatenate(pair[::-1], axis=2) for pair in pairwise(outputs) if pair[0].shape[:2] == pair[1].shape[:2]
        ]
        computed += [*turned, *(np.concatenate([one[:, 0], other[:, -1]], axis=1) for one, other in pairwise(outputs))]
    if recording.model.suffix == ".onnx":
        computed += _multiply(recording.model, computed)
    worst, words = 0.0, ""
    for name, expected in recording.outputs.items():
        is_of_layers = name in "hc" and expected.ndim == 3
        for one in expected if is_of_layers else [expected]:
            fitting = [np.abs(values - one).max() for values in computed if values.shape == one.shape]
            difference = float(min(fitting, default=np.inf))
            if difference >= worst:
                worst, words = difference, f"{name} differs by {difference:.1e}"
    return Outcome(recording, worst, words)


def _multiply(model: Path, computed: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the products of what was computed with the matrix and the vector of a dense layer at the end of a graph."""
    with lstmdump.open(model) as opened:
        others = [tensor.read() for tensor in opened.model.outside().weights.values()]
    for kernel in (array for array in others if array.ndim == 2):
        for bias in (array for array in others if array.shape == kernel.shape[1:]):
            yield from (values @ kernel + bias for values in computed if values.shape[-1] == len(kernel))


def _take_last(output: np.ndarray, *, second: bool, of: int) -> np.ndarray:
    """Return the step computed last: for the second of two layers, the halves of a Bidirectional, the first one."""
    return output[:, 0] if second and of == 2 else output[:, -1]


def _find_difference(outputs: Sequence[np.ndarray], expected: np.ndarray) -> float:
    """Return the largest difference from `expected` of `outputs`, joined in the way of Keras that comes nearest."""
    ways = ("concat",) if len(outputs) == 1 else ("concat", *_ONE_WIDTH)
    joined = [join(how, outputs) for how in ways]
    fitting = [np.abs(values - expected).max() for values in joined if values.shape == expected.shape]
    return float(min(fitting, default=np.inf))
