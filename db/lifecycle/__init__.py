"""A study's life outside the steps.

received            what the node tells of an instance: value objects alone
studies             instances arrive, the study falls quiet, people requeue it
routing             it is decided anew, by hand
announcing          what is due is put on the broker
choosing_studies    which study goes first
moving              a study comes to a state by other ways than the end of a step
worker_ends         what a worker held that is gone
retention, holds    what has outlived its time, and what is kept whatever its age
"""
