"""The live view: a socket through which other programs see what a running watch sees."""
