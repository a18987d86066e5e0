"""The layout of `.weights.h5`: variables in groups, without the names of the layers before Keras 3.6."""
