"""Figures of gates and lags; `lstmdump.export.pictures` saves them."""
