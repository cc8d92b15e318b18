"""The steps of the pipeline: prepare, score, report, deliver."""
