"""A machine's Structured Report as statements, whatever its root and however its codes are written."""
