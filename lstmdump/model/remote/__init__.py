"""Models at URLs: parsing of URLs, files that are read by fsspec in blocks, and bounds for requests."""
