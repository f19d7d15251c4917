"""The report of a conversion: a page to look at, and what the terminal prints."""
