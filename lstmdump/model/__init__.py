"""What a model file is before anybody asks for LSTM layers: its place, its limits, its tree of lazy arrays."""
