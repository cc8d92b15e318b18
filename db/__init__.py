"""The registry: studies, instances, runs, results, deliveries, and their life cycle. What a module is about:

the database        session, base, migrations, migrating, inserting, portions, away, all_tables, reference
tables              schema, and by what they are of: schema_accounts, schema_consistency, schema_identities,
                    schema_monitoring, schema_peers, schema_pictures, schema_pipeline, schema_rescoring,
                    schema_retention
whose study it is   identities, identity_keeping, converting

a study's life      states (the table), studies, moving, journal, journal_tail; received (what the node tells of
                    instances), routing
who works on what   leases, choosing_studies, announcing, pauses, nightly, clocks, worker_ends, devices
what steps make     results, runs, run_rows, embeddings, reports, stored_objects
to destinations     deliveries, delivering, dead_letters, commitments, queues; forwards
reports of others   received_reports, report_instances, report_matching, report_likenesses; what disagrees:
                    discordances, discordance_rows, discordance_review, discordance_inbox
answered anew       outdated, rescorings, rescored, adopting
what goes           retention, holds

for people          queries, worklist, study_pages, study_json, priors, accounts, callers, queue_summaries
for search          retrieval
for calibration     scored_cases
how it is doing     figures, quality, tallies, alerts, drift, canaries, reconciliations
for dashboards      views, view_rows, read_only_role
"""
