"""Studies that are answered anew.

outdated            which they are
batches             a batch is made, worked on, stops, and is adopted or discarded
rescored            what batches have written
adopting            new runs become current
"""
