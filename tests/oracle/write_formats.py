"""Write one model in every format that Keras 3 on TensorFlow writes, into the directory given.

This made `sample_models/keras-3.15-every-format`, with Keras 3.15.1 and TensorFlow 2.21.0.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import tensorflow as tf


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(2018)
    inputs = keras.Input((7, 3), name="measurements")
    both = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True), name="both")(inputs)
    last = keras.layers.LSTM(5, use_bias=False, name="last")(both)
    model = keras.Model(inputs, keras.layers.Dense(2, name="forecast")(last), name="weather")
    model.save(folder / "model.keras")
    model.save(folder / "unzipped", zipped=False)
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    model.export(folder / "exported", verbose=False)
    tf.saved_model.save(model, str(folder / "saved_model"))
    tf.train.Checkpoint(model=model).write(str(folder / "checkpoint" / "weather"))


if __name__ == "__main__":
    main()
