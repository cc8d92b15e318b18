"""Studies that are answered anew: which are outdated, the batches, what these wrote, and its adoption."""
