"""The steps of the pipeline, one file each; `worker.runner` gives them their claim and writes down their outcome."""
