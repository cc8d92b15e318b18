"""From the network into the spool: one instance's way through this folder, from top to bottom.

    receiver            the process: puts all of this together, and stops
    housekeeping        what it does beside: reports, the audit trail, sweeping
    listening           a connection is accepted, shakes hands, asks for an association
      waiting             or does not, and is ended
    associations        who asks is let in, or refused
      access              by the settings
    upper_layer         the thread of an association: it takes each C-STORE, and leaves the rest to pynetdicom
      association_socket  over pynetdicom's socket
      store_messages      the C-STORE-RQ, and the answer (PS3.7)
      p_data              command sets and data sets out of P-DATA-TF PDUs, within the limits (PS3.8)
      read_ahead          the stream of bytes
    receive             the instance on its way to the disk, and why it was refused
      file_head           preamble and File Meta Information
      incoming            the file that grows
      streamed_header     whose it is, read while it passes
    reporting           what the intake is told of all this
      callers             who called

What is further to the right is used by what is above it, and knows nothing of that (pyproject.toml, import-linter).
"""
