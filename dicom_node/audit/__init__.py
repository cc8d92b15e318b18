"""The audit trail of PS3.15 A.5."""
