"""The exceptions of this package.

::

    LstmdumpError
    ├─ UnreadableModel
    │  ├─ UnknownFormat        not a model file; the message says what it is
    │  │  ├─ BrokenModel       meant to be a model, but the file holds something else
    │  │  └─ ModelPart         a part of a model; the message says what to give
    │  ├─ UnsupportedFormat    a model in a format that this version does not read
    │  ├─ CorruptModel         a model that is damaged or contradicts itself
    │  ├─ ChangedFile          a file that somebody has written while it was read
    │  ├─ RefusedModel         a model that refers to other files or exceeds a limit
    │  ├─ MissingDependency    a package is not installed; the message gives the pip command
    │  └─ ModelClosed          values were requested after close()
    ├─ NotAnLSTM               the shapes are not those of an LSTM; the message gives both
    ├─ DoesNotFit              a value is too large for the requested dtype
    ├─ NoForgetBias            the file does not hold the constant that the cell adds
    ├─ CannotExpress           the layout to export to cannot say what a layer computes
    ├─ CannotReplay            the cell computes something other than the equations of an LSTM
    ├─ BadInput                an input to replay cannot be read or has the wrong shape
    ├─ TargetFailed            another runtime died, hung or rejected a layer that was exported to it
    ├─ TensorFlowFailed        TensorFlow died, hung or rejected a layer
    ├─ WorkerDied              a worker process died; the message says how
    ├─ BadExpectation          an expectation given to a check is invalid
    ├─ NoLSTM                  the model has no LSTM layer
    ├─ NoAverages              the file holds no moving averages of its weights
    ├─ NoSuchLayer             no LSTM layer of the model has a matching name
    ├─ NothingToDraw           no layer can be drawn
    ├─ OutputClash             two models would be written to the same output
    ├─ OutputExists            the output exists; the message names the option to overwrite it
    └─ OutputUnwritable        the disk is full, the directory is read-only, …
       ├─ WrongSuffix          the output's name does not end in a known suffix
       └─ TooManyPages         several pages do not fit in a file of one page

    LayoutWarning               what the arrays in another layout do not say, as a warning

A message is one line without the path of the model, which the caller knows.
"""


class LstmdumpError(Exception):
    """The base class of all exceptions of this package."""


class UnreadableModel(LstmdumpError):
    """The model cannot be read at all."""


class UnknownFormat(UnreadableModel):
    """The path exists, but is not a model file; the message says what it is."""


class BrokenModel(UnknownFormat):
    """The file was meant to be a model, but it is a Git LFS pointer, empty, an HTML page or text."""


class ModelPart(UnknownFormat):
    """The file is a part of a model, which has another path."""


class UnsupportedFormat(UnreadableModel):
    """The file is a model in a format that this version does not read."""


class CorruptModel(UnreadableModel):
    """The file has a known format, but is damaged, truncated or contradicts itself."""


class ChangedFile(UnreadableModel):
    """Somebody has written the file while it was read, so that what was read may belong to two files."""


class RefusedModel(UnreadableModel):
    """The file has a known format, but refers to other files, which were not opened, or exceeds a limit."""


class MissingDependency(UnreadableModel):
    """A required package is not installed."""


class ModelClosed(UnreadableModel):
    """Values were requested after the model was closed."""


class NotAnLSTM(LstmdumpError):
    """A layer that the file calls an LSTM does not have the shapes of one."""


class DoesNotFit(LstmdumpError):
    """A stored value is too large for the requested dtype."""


class NoForgetBias(LstmdumpError):
    """The constant that the cell adds to its forget bias is not in the file."""


class CannotExpress(LstmdumpError):
    """The layout to export to cannot say what a layer computes; the message gives the reason and the harm."""


class CannotReplay(LstmdumpError):
    """The cell computes something other than the equations of an LSTM."""


class BadInput(LstmdumpError):
    """An input to replay cannot be read, holds something other than numbers, or has the wrong shape."""


class TargetFailed(LstmdumpError):
    """Another runtime died, hung or rejected a layer that was exported to it."""


class TensorFlowFailed(LstmdumpError):
    """TensorFlow died, did not answer in time, or rejected a layer."""


class WorkerDied(LstmdumpError):
    """A worker process died during its job, or could not be started."""


class BadExpectation(LstmdumpError):
    """An expectation given to a check is invalid."""


class NoLSTM(LstmdumpError):
    """The model has no LSTM layer."""


class NoAverages(LstmdumpError):
    """The file holds no moving averages of its weights, though they were asked for."""


class NoSuchLayer(LstmdumpError):
    """No LSTM layer of the model has a name that matches the given pattern."""


class NothingToDraw(LstmdumpError):
    """There is no layer to draw."""


class OutputClash(LstmdumpError):
    """Two models would be written to the same output."""


class OutputExists(LstmdumpError):
    """The output exists already and may not be overwritten."""


class OutputUnwritable(LstmdumpError):
    """The output cannot be written; an existing file is unchanged."""


class WrongSuffix(OutputUnwritable):
    """The name of the output does not end in the suffix of a supported format."""


class TooManyPages(OutputUnwritable):
    """Several pages do not fit in a picture of one page; a `.pdf` can hold them."""


class LayoutWarning(UserWarning):
    """The arrays of a layer in another layout do not say all that it computes; the message says what to do."""
