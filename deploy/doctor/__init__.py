"""`echoworker doctor`: `examination` goes through all checks; the other modules are checks, by what they look at."""
