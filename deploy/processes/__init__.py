"""The processes of an installation: one tree, started and stopped together; how each ends, and why one died."""
