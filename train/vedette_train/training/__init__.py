"""Training: heads in closed form, and gradient descent."""
