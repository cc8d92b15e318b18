"""What the command line shows: tables for people.

tables              studies, callers, quarantine; and what tables are made of
accounts, deliveries, discordances, packs, queues, reports, rescoring, retention
retrieval           what search finds, for programs as well
structured_reports  a report's tree
"""
