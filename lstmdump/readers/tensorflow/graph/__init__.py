"""TensorFlow's graphs of operations, and the LSTM cells in them."""
