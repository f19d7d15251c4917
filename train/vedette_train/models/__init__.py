"""Networks: what they are made of and where their weights come from."""
