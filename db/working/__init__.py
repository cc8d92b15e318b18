"""Who works on what: leases, queues that are paused, devices that are set aside."""
