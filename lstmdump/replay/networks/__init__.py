"""Run the network around the LSTM layers of a model: from its own inputs, or that of one layer, to its outputs."""
