"""Plain HDF5 files: the structures that Keras writes, read without the HDF5 library.

All loops are bounded by the bytes that the file has: no structure is read twice on the way to an object, and the bytes
that are read to describe a file are counted. Whatever is not plain raises `NotPlain`.

Source: HDF5 File Format Specification 3.0; the sections are named where a structure is read.
"""
