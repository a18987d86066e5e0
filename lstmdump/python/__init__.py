"""The Python interface: open models, their layers and arrays, and what can be done with them."""
