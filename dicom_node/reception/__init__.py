"""From the network into the spool: associations, access, the C-STORE."""
