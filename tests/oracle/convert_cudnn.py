"""Let Keras 2 load the weights of a CuDNNLSTM into an LSTM, which converts them; run in a separate process.

    convert_cudnn.py MODEL OUT

Writes `OUT`, an .npz with the kernel, recurrent_kernel and bias of the LSTM.
"""

from __future__ import annotations

import sys

import numpy as np
import tf_keras

inputs = tf_keras.Input((None, 5))
outputs = tf_keras.layers.Dense(1, name="dense")(tf_keras.layers.LSTM(8, name="cu")(inputs))
model = tf_keras.Model(inputs, outputs)
model.load_weights(sys.argv[1])
kernel, recurrent, bias = model.get_layer("cu").get_weights()
np.savez(sys.argv[2], kernel=kernel, recurrent_kernel=recurrent, bias=bias)
