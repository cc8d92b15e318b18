"""The steps of the pipeline, what beat wakes, and all that knows a model.

    app, tasks          the Celery app, and the function that each task is
    context             what a process works with: settings, registry, spool, the model on first use

A step of a study, from top to bottom:

    runner              claim, work with the lease held, write the outcome, announce what is due next
      lease_keeping       the lease is renewed meanwhile
      watch               what hangs is ended
    steps               prepare, score, report
      pixels              from a file to the clip that a model sees
      study_scoring       the scoring of one study, on one screen
        views               the view gate in front of it
        models              all that the pipeline knows of a model; its kinds are echoclip and linear_probe
        abstaining, aggregation     rules that all kinds of models share
      embeddings          what a model made of the frames, kept in the spool
      catalogues          the questions of each run, kept there too
      consistency         other reports against the answers
      pictures            heat maps, and what is drawn of a result

Peers and other systems:

    peer_queues         how every queue of a peer is worked on
      delivering          what was made goes to its destinations
        storing             objects, by C-STORE or STOW-RS
        result_messages     or the same as HL7 or FHIR
        delivery_answers    what a destination answers is written down at once
      forwarding          what was received goes on

What beat wakes:

    reaper              what is overdue is announced again
    sweeper             what has outlived its time goes: retention
    nightly             what is done once a day: drift, reconciling
    canary              a synthetic study through the live system
    rescoring           former results are answered anew

Models: packs (what comes in, and which is in use), loading, devices, explaining, calibration; retrieval (search) and
phantom (synthetic studies) stand beside the pipeline.
"""
