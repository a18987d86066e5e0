"""Run in a process of its own: let Keras 2 load a CuDNNLSTM's weights into an LSTM, which converts them.

convert_cudnn.py MODEL OUT: writes OUT, an .npz with kernel, recurrent_kernel and bias of the LSTM.
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
