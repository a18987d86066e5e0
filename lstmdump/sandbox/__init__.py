"""Child processes for risky work: reading HDF5, the jobs of `-j`, and running TensorFlow."""
