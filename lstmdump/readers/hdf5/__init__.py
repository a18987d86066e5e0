"""HDF5: plain files are read here, as Keras writes them, and all others by the HDF5 library."""
