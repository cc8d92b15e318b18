"""What a report's text says: its words and numbers as statements, each with its place."""
