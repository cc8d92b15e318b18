"""The processes of an installation.

up                  all of them as one tree, started and stopped together
children            one that is started again when it dies
deaths              why one died, and what becomes of its work
stopping            how each ends
"""
