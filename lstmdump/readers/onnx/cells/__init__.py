"""LSTM cells that are spread over many nodes of an ONNX graph."""
