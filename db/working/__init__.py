"""Who works on what, and on what nobody does.

leases              claims of steps, renewal, completion, failure
pauses              queues that somebody has paused
devices             GPUs that are set aside
"""
