"""Zip archives: their directories, read without `zipfile` where they are plain, and their members."""
