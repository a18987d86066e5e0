"""Other programs for the same tasks, used as their documentation suggests."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.keras_inputs import LAYER
from benchmarks.measuring import Command, Usage, Words
from benchmarks.workspace import python

_SLOW = 3  # rounds for commands that take seconds
_CUT = """
m = b.shape[-1] // 4
parts = {f"{key}_{gate}": whole[..., k * m:(k + 1) * m]
         for key, whole in (("W", w), ("U", u), ("b", b)) for k, gate in enumerate("ifco")}
np.savez(sys.argv[2], **parts)
"""
_H5PY = f"""
import sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as file:
    group = file["model_weights/{LAYER}/{LAYER}"]
    w, u, b = (group[leaf + ":0"][()] for leaf in ("kernel", "recurrent_kernel", "bias"))
{_CUT}"""
_ARCHIVE = f"""
import sys, zipfile, h5py, numpy as np
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open("model.weights.h5") as member, h5py.File(member) as file:
    group = file["layers/lstm/cell/vars"]
    w, u, b = (group[number][()] for number in "012")
{_CUT}"""
_MEMMAP = f"""
import sys, numpy as np
d, m = int(sys.argv[3]), int(sys.argv[4])
data = np.memmap(sys.argv[1], np.float32, "r", shape=(d + m + 1) * 4 * m)
w = data[:d * 4 * m].reshape(d, 4 * m)
u = data[d * 4 * m:(d + m) * 4 * m].reshape(m, 4 * m)
b = data[(d + m) * 4 * m:]
{_CUT}"""
_KERAS_EXPORT = f"""
import sys, keras, numpy as np
(layer,) = [layer for layer in keras.models.load_model(sys.argv[1]).layers if isinstance(layer, keras.layers.LSTM)]
w, u, b = layer.get_weights()
{_CUT}"""
TIMED = """
import statistics, time

def timed(work, times):
    "Print the medians of the CPU time and of the wall time of so many runs, in ms, after two more runs."
    runs = []
    for _ in range(times and times + 2):
        elapsed, cpu = time.perf_counter(), time.process_time()
        work()
        runs.append((time.process_time() - cpu, time.perf_counter() - elapsed))
    print(*(statistics.median(values) * 1e3 for values in zip(*runs[2:])))
"""
_KERAS_PREDICT = f"""
import sys, keras, numpy as np
path, *shape, times = sys.argv[1:]
x = np.random.default_rng(0).standard_normal([int(number) for number in shape]).astype(np.float32)
(loaded,) = [layer for layer in keras.models.load_model(path).layers if isinstance(layer, keras.layers.LSTM)]
layer = keras.layers.LSTM.from_config({{**loaded.get_config(), "return_sequences": True}})
model = keras.Sequential([keras.Input(x.shape[1:]), layer])
layer.set_weights(loaded.get_weights())
{TIMED}
timed(lambda: model.predict(x, batch_size=len(x), verbose=0), int(times))
"""
_KERAS_NETWORK = f"""
import sys, keras, numpy as np
path, given, times = sys.argv[1:]
model, x = keras.models.load_model(path), np.load(given)
{TIMED}
timed(lambda: model.predict(x, batch_size=len(x), verbose=0), int(times))
"""
_KERAS = "import sys, keras; keras.models.load_model(sys.argv[1]).summary()"
_TF_KERAS = "import sys, tf_keras; tf_keras.models.load_model(sys.argv[1], compile=False).summary()"
_LIST = "import sys, tensorflow as tf; print(*tf.train.list_variables(sys.argv[1]), sep='\\n')"


def name_missing(*modules: str) -> str:
    """Return which of `modules` are not installed, in words; an empty string if all are."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else ""


def _tool(name: str) -> tuple[str, str]:
    """Return the path of the command `name`, next to this Python or elsewhere, and the reason if it cannot be run."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or name, "" if found else "not installed"


def h5py_savez(path: Path, out: Path, against: str) -> Command:
    """Read the arrays of an `.h5` file with h5py, and split and save them with numpy."""
    return Command("h5py + np.savez, .h5", python(_H5PY, path, out), against, clears=[out], lacks=name_missing("h5py"))


def archive_savez(path: Path, out: Path, against: str) -> Command:
    """Read the arrays of a `.keras` archive with zipfile and h5py, and split and save them with numpy."""
    words = python(_ARCHIVE, path, out)
    return Command("zipfile, h5py + np.savez, .keras", words, against, clears=[out], lacks=name_missing("h5py"))


def memmap_savez(path: Path, out: Path, d: int, m: int, against: str) -> Command:
    """Split and save the arrays in a bundle's data file, whose offsets are known, with numpy."""
    words = python(_MEMMAP, path, out, str(d), str(m))
    return Command("np.memmap + np.savez, checkpoint", words, against, clears=[out])


def keras_savez(path: Path, out: Path, against: str) -> Command:
    """Load a `.keras` model with Keras, and split and save the weights with numpy."""
    words = python(_KERAS_EXPORT, path, out)
    lacks = name_missing("keras", "tensorflow")
    return Command("Keras load + np.savez, .keras", words, against, clears=[out], rounds=1, lacks=lacks)


def keras_predict(
    path: Path, shape: Sequence[str], times: int, name: str, checked: Callable[[Usage], Usage]
) -> Command:
    """Compute all outputs of a `.keras` model's LSTM for a batch of `shape`, (batch, length, d), in Keras 3 several times."""
    words = python(_KERAS_PREDICT, path, *shape, str(times))
    return Command(name, words, checked=checked, lacks=name_missing("keras", "tensorflow"))


def keras_predict_network(path: Path, x: Path, times: int, name: str, checked: Callable[[Usage], Usage]) -> Command:
    """Compute the output of a `.keras` model for the array in the file `x` in Keras 3 several times."""
    words = python(_KERAS_NETWORK, path, x, str(times))
    return Command(name, words, checked=checked, lacks=name_missing("keras", "tensorflow"))


def keras_summary(path: Path, against: str) -> Command:
    """Load and summarise a `.keras` model with Keras 3."""
    lacks = name_missing("keras", "tensorflow")
    return Command("Keras: load_model, summary", python(_KERAS, path), against, rounds=_SLOW, lacks=lacks)


def tf_keras_summary(path: Path, against: str) -> Command:
    """Load and summarise an `.h5` model with Keras 2."""
    lacks = name_missing("tf_keras", "tensorflow")
    return Command("tf-keras: load_model, summary", python(_TF_KERAS, path), against, rounds=_SLOW, lacks=lacks)


def list_variables(prefix: Path, against: str) -> Command:
    """List the variables of a checkpoint with TensorFlow."""
    lacks = name_missing("tensorflow")
    return Command("tf.train.list_variables", python(_LIST, prefix), against, rounds=_SLOW, lacks=lacks)


def saved_model_cli(path: Path, against: str) -> Command:
    """Show a SavedModel with `saved_model_cli` of TensorFlow."""
    tool, lacks = _tool("saved_model_cli")
    words: Words = [tool, "show", "--dir", path, "--all"]
    return Command("saved_model_cli show --all", words, against, rounds=_SLOW, lacks=lacks)


def h5ls(path: Path, against: str) -> Command:
    """List an HDF5 file with `h5ls` of the HDF Group."""
    tool, lacks = _tool("h5ls")
    return Command("h5ls -r", [tool, "-r", path], against, lacks=lacks)


def h5glance(path: Path, against: str) -> Command:
    """List an HDF5 file with h5glance."""
    tool, lacks = _tool("h5glance")
    return Command("h5glance", [tool, path], against, lacks=lacks)


def copy(source: Path, target: Path, name: str) -> Command:
    """Copy a file or directory with `cp`."""
    return Command(name, ["cp", "-r", source, target], clears=[target])
