"""Training: features, closed-form heads and gradient descent."""
