"""A report on models as HTML: fragments for notebooks, and one page that needs neither network nor script."""
