"""Small models that hold one kind of layer each, for `tests/oracle/test_layers.py`: a module for each family.

Each module has `CASES`: a function for each case, by its name, that takes the module `keras` (Keras 3 or tf_keras) and
returns a model, or None where this Keras does not have the layer.
"""
