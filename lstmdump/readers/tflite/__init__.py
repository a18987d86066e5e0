"""Models of TensorFlow Lite (LiteRT): a FlatBuffer with operators, and LSTMs as one operator or as a loop of others."""
