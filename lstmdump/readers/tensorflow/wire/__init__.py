"""The binary formats of TensorFlow's files: protocol buffers, tables and bundles; nothing here knows about layers."""
