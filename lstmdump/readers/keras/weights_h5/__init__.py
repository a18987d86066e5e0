"""Keras 3's `.weights.h5`: variables in groups, without the names of the layers."""
