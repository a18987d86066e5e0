"""The layers that stand around an LSTM in a model, forward and backward, a module for each family.

`base` defines what a layer is, `reading` reads one from its description, and `registry` lists the classes.
"""
