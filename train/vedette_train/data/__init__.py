"""Photographs: find, audit, split, cache, batch and augment them."""
