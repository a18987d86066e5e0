"""Graphs of operations, and the LSTM cells in them."""
