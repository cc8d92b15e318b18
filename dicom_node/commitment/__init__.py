"""Storage commitment, of what we were sent and of what we send."""
