"""What a Keras configuration says: layers, their names, settings and connections."""
