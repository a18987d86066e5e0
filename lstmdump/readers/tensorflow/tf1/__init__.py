"""Variables and cells of TensorFlow 1, by their names."""
