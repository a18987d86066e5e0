"""Keras: HDF5 files, `.keras` archives and `.weights.h5`."""
