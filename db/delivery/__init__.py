"""Queues of peers: what goes to which, what it answered, what is committed to, and what is dead."""
