"""`echoworker doctor`: `examination` goes through all checks, and has those of registry, data folder and work.

settings, senders, node, certificates       how we are set up and called
packs, queues, bucket, clocks               what we work with
deliveries, messages, reports               what goes out and comes in
dashboard, nightly                          who looks, and what goes on by itself
"""
