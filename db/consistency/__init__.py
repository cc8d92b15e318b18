"""Reports of others, and where they and the images do not agree.

received_reports    those that came by themselves: registered, matched, taken back
report_matching     which study is meant
report_instances    those among a study's own instances
report_likenesses   how well texts fit their studies

discordances        value objects
discordance_rows    what a check found is written
discordance_review, discordance_inbox       for people: what they say of one, and what is to be looked at
"""
