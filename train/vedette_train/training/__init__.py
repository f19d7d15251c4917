"""Training: heads in closed form and by gradient descent."""
