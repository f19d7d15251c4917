"""The report of a conversion, on the console and as a page."""
