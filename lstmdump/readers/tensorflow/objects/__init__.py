"""The object graphs of checkpoints and SavedModels."""
