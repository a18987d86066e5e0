"""Facts in, text out. Renderers return what commands print."""
