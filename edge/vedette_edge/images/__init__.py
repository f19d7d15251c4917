"""Images: find, decode, turn upright, preprocess and encode them."""
