"""Settings, task catalogue, errors, log events and the broker: what every other package may import."""
