"""What reports say against what the model found, and against each other, by rules that are data."""
