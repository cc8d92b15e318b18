"""The DICOM side: what comes in by C-STORE and lies in the spool, and what goes back.

An instance's way in:

    reception           an association, C-STORE, a durable file
    header              what is to be known of a file without its pixels; deflated and fragments read around in it
    spool               every file, under its final name; same_instance says whether one is there already
      quarantine          what was refused, and kept
      shared_files        by the names of the registry, wherever they lie: here, or in the bucket
      bucket, sharing     what hosts share, and how this one's files come there
      local_copies, removing      what goes from here, and whose turn it is to remove
      spool_notes, spool_check    what processes leave for each other; the spool beside the registry
    intake              from the spool to the registry, and when a study is quiet
      routing             what the rules look at

What goes out:

    report              Structured Report, heat map, page
    send, store_channel by C-STORE; stow by STOW-RS; messages as FHIR or HL7
    commitment          storage commitment, both ways
    archive             what is asked of a PACS and fetched there

Both lean on:

    calling, contexts, statuses, network        associations: to whom, of what, and how they are answered
    tls, web_server, expiry     secure transport, web servers, until when a certificate is valid
    time_zones          of dates and times in an instance
    audit               the audit trail
    services, readiness, findings   whether what is needed is there
    duties              several in one loop: what fails is in no other's way
    conformance         the conformance statement, and what it is held to
"""
