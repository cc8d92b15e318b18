"""`echoworker backup` and `restore`.

making, restoring   from top to bottom
registry_copy, copying      the registry, and files
facts, sums         what a backup says of itself, and whether it is whole
"""
