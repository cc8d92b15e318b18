"""The sections of the settings; `config.settings` puts them together.

node                [node], [callers], [audit]
peers               [[peers]], [tls], and AE titles
rules               [[rules]]
pipeline            [study], [pipeline]; time_limits: [time_limits]
scoring             [model], [pixels], [gate]
report, consistency, rescore, keep, privacy         each its own
dicomweb, messages  [[dicomweb]], [[messages]]: where else results go; report_objects is what may go
database, broker, bucket        what we lean on; credentials is how we show who we are
monitoring, canary  [monitoring], [[alerts]]; [canary]; time_window is a time of each day
dashboard           [dashboard]
"""
