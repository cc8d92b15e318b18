"""One study as its page shows it: what the registry and the spool have of it, put into words and shapes."""
