"""Object graphs of checkpoints and SavedModels."""
