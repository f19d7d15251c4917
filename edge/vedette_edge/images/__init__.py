"""Image files: decoders that are optional, orientation, and the warnings of Pillow."""
