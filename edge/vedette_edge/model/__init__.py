"""A model: so far the mathematics of its last layer, which training and conversion share."""
