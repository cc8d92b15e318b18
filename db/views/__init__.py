"""The views that dashboards read.

definitions         what each says, and its SQL; its files lie in migrations/views
rows                rows with types, whatever the database makes of them
read_only_role      who may read them
"""
