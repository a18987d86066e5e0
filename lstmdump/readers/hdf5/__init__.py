"""HDF5: the only package that calls h5py."""
