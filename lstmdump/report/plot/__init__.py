"""Figures of gates and lags; see `lstmdump.export.pictures` for how they become files."""
