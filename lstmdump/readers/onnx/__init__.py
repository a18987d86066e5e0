"""Models in the format of ONNX: protocol buffers with a graph whose nodes are the layers."""
