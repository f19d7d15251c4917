"""The policy: which records the outputs are sent."""
