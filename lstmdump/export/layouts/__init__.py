"""The arrays of an LSTM as other runtimes hold them: `export --layout`."""
