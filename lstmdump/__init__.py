"""Show, export and check the LSTM layers in Keras and TensorFlow model files, without the framework.

::

    import lstmdump

    with lstmdump.open("weather.h5") as model:
        for lstm in model.lstms:
            print(lstm.name, lstm.input_dim, lstm.units, lstm.parameters)
            lstm.gates["f"].W.read()
"""

from lstmdump import errors
from lstmdump.lstm import LSTM, Gate
from lstmdump.opening import OpenModel
from lstmdump.opening import open_model as open  # noqa: A004 - `lstmdump.open`, as in gzip and tarfile
from lstmdump.tensor import Tensor

__version__ = "0.1.0"

__all__ = ["LSTM", "Gate", "OpenModel", "Tensor", "__version__", "errors", "open"]
