"""Bytes of TensorFlow's files: protobuf, tables, bundles; nothing here knows what a layer is."""
