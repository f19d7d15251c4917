"""Images: find, decode, orient, preprocess."""
