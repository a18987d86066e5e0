"""Variables and cells of TensorFlow 1, which are identified by their names."""
