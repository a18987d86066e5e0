"""Recurrent layers, the wrappers around them, and what they have in common (`base.py`)."""
