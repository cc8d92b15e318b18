"""The registry: studies, instances, runs, results, deliveries, and their life cycle. From the ground up:

states              a study's life as a table: what may follow what
identities          how whose study it is is kept; identity_keeping and converting see that all of it is kept so
tables              the models; migrations has their history
session             the connection; away says why there is none, migrating brings the schema up or down
inserting, portions     what SQLite and PostgreSQL want to be asked in their own ways
journal             what happened to each study, append-only; journal_tail follows it as it grows

working             who works on what: leases, pauses, devices
results             what the steps make: runs with their answers, embeddings, objects for the PACS
delivery            what goes to whom, what was answered, what is dead; what is forwarded
lifecycle           a study arrives, falls quiet, is announced, moves on; what outlived its time goes
consistency         reports of others, and what disagrees
rescoring           what is answered anew

reading             the read side, for people and programs
monitoring          how the installation is doing
views               what dashboards read
accounts            who may use the dashboard

Imports go from the lower half upwards only: a contract in pyproject.toml says which package may know which.
"""
