"""HDF5 files that are not plain, read by the HDF5 library through h5py, which no other package imports."""
