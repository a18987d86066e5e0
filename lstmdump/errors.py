"""Every exception this package raises on purpose.

::

    LstmdumpError
    ├─ UnreadableModel
    │  ├─ UnknownFormat        exists, but is none of ours; says what it was taken for
    │  ├─ UnsupportedFormat    a model, in a format that this version does not read
    │  ├─ CorruptModel         ours, but it contradicts itself
    │  ├─ RefusedModel         ours, but it reaches outside itself or past a limit
    │  ├─ MissingDependency    says the pip line that helps
    │  └─ ModelClosed          read after close()
    ├─ NotAnLSTM               its shapes are not those of an LSTM; says both
    ├─ DoesNotFit              a number is too large for the dtype asked for
    ├─ NoForgetBias            the file does not hold the constant that the cell adds
    ├─ CannotReplay            a cell that computes something else than the equations of an LSTM
    ├─ BadInput                an input to replay is none, or has another shape than the layer takes
    ├─ TensorFlowFailed        TensorFlow died, hung or refused a layer
    ├─ WorkerDied              a worker process died at its job; says how
    ├─ BadExpectation          what a check was given is not an expectation
    ├─ NoLSTM                  the model has no LSTM layer
    ├─ NoSuchLayer             no LSTM layer of the model has a name that matches
    ├─ NothingToDraw           no layer has anything for a picture
    ├─ OutputClash             two inputs would be written to one output
    ├─ OutputExists            names the option that allows it
    └─ OutputUnwritable        the disk is full, the directory is read-only, …
       ├─ WrongSuffix          its name does not end as that of such a file does
       └─ TooManyPages         a file of one page was to hold more

A message is one line without the model's path: whoever tells it knows the path.
"""


class LstmdumpError(Exception):
    """The root: catch this to catch all that this package raises on purpose."""


class UnreadableModel(LstmdumpError):
    """The model cannot be read at all."""


class UnknownFormat(UnreadableModel):
    """The path exists, but is no model file; the message says what it is."""


class UnsupportedFormat(UnreadableModel):
    """A model file of a kind that this version does not read."""


class CorruptModel(UnreadableModel):
    """The file is of a known format, but contradicts itself or is cut short."""


class RefusedModel(UnreadableModel):
    """The file is of a known format, but reaches outside itself, where nothing was opened, or past a limit."""


class MissingDependency(UnreadableModel):
    """A package is needed that is not installed."""


class ModelClosed(UnreadableModel):
    """Numbers were asked for after the model had been closed."""


class NotAnLSTM(LstmdumpError):
    """A layer that the file calls an LSTM has other shapes than an LSTM has."""


class DoesNotFit(LstmdumpError):
    """A stored number is too large for the dtype that was asked for."""


class NoForgetBias(LstmdumpError):
    """The constant that the cell adds to its forget bias is not in the file."""


class CannotReplay(LstmdumpError):
    """The cell computes something else than the equations of an LSTM."""


class BadInput(LstmdumpError):
    """An input to replay cannot be read, or holds what is no number, or has another shape than the layer takes."""


class TensorFlowFailed(LstmdumpError):
    """TensorFlow died, gave no answer in time, or refused a layer."""


class WorkerDied(LstmdumpError):
    """A process died over the job that it was given, or could not be started for it."""


class BadExpectation(LstmdumpError):
    """An expectation given to a check cannot be understood."""


class NoLSTM(LstmdumpError):
    """The model has no LSTM layer."""


class NoSuchLayer(LstmdumpError):
    """No LSTM layer of the model has a name that matches the pattern given."""


class NothingToDraw(LstmdumpError):
    """There is no layer to draw a picture of."""


class OutputClash(LstmdumpError):
    """Two models would be written to the same output."""


class OutputExists(LstmdumpError):
    """The output is there already and may not be overwritten."""


class OutputUnwritable(LstmdumpError):
    """The output cannot be written; what was there before is untouched."""


class WrongSuffix(OutputUnwritable):
    """The output's name does not end in the suffix of a format that it can be written in."""


class TooManyPages(OutputUnwritable):
    """A picture of one page was to hold several; a `.pdf` can."""
