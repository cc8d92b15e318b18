"""The pages: a module for each, whose functions read from `db` and fill a template."""
