"""Query and retrieve: studies out of an archive."""
