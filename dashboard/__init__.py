"""Reserved for the web page over the read side of the registry (db.queries)."""
