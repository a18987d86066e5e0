"""Reports on models: the facts, and the JSON, text and pictures that show them."""
