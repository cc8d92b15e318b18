"""Backup and restore: the registry and everything of the data folder that cannot be made again."""
