"""Layers that work along the steps of a sequence, or the rows and columns of a picture."""
