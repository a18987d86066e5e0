"""Keras configurations: layers, with their names, settings and connections."""
