"""TensorFlow: SavedModels, checkpoints and frozen graphs."""
