"""Model files without regard to LSTM layers: locations, limits, and the tree of arrays that are read on request."""
