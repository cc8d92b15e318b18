"""What people and programs are shown of studies, free of PHI.

What is read of deliveries, discordances and batches stands beside what is written of them.

queries             studies in lists, and one in detail
worklist            as people look for them
study_pages         page by page, for programs
study_json          one study as JSON
priors              earlier studies of the same patient
queue_summaries     what waits, what runs
retrieval           what search asks
scored_cases        what calibration reads
"""
