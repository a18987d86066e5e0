"""Processes that do the risky work: those that read HDF5, those of `-j`, and the one that runs TensorFlow."""
