"""The registry: studies, instances, runs, results, deliveries, and their life cycle.

A module may import what stands above it here, never what stands below; pyproject.toml holds it to that.

states              a study's life as a table: what may follow what
identities          how whose study it is may be kept: as it came, encrypted, as pseudonyms, not at all
tables              the models
inserting, portions     how to insert what another inserts too, and to ask for many values
away, migrating     why there is no registry; its schema up and down
identity_keeping    whether identities are kept as the settings say
session             the connection
journal             what happened to each study, append-only; journal_tail follows it as it grows
converting          a whole registry, to how identities are to be kept
accounts            who may use the dashboard

working             leases and pauses
results             what the steps make: runs with their answers, embeddings, objects for the PACS
delivery            what goes to whom, what was answered, what is dead; what is forwarded
lifecycle           a study arrives, falls quiet, is announced, is chosen, moves on; what outlived its time goes
consistency         reports of others, and what disagrees
rescoring           what is answered anew

reading             what people and programs are shown of studies
monitoring          how the installation is doing, and what is done about it by the clock
views               what dashboards read
reference           docs/database.md, of all tables and views
migrations          the schema's history; Alembic loads it, from migrating, by its path
"""
