"""What the steps make of a study.

runs                value objects: one run, its answers, the clips that they come from
run_rows            the same as rows, and back
recording           clips and runs are written
embeddings          where the embeddings of frames are
reports             objects for the PACS are written; stored_objects says where they lie, and what was received
"""
