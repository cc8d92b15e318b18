"""The sentences of our reports, a file for each language, for its native speakers to review."""
