"""What every other package may import.

settings            defaults.toml, the site's file, the environment: its sections; setting_mistakes, reference
catalogue           the clinical questions (tasks.toml), with clinical_tasks, coded_concepts and
                    catalogue_extension, catalogue_mistakes
calibration         the thresholds that a site has made for itself
labels, reasons, languages      how far a model may be trusted, why something has no answer, and in which words
errors              every error of our own, in one tree
logs                events from a closed list without PHI; library_logs makes such of what libraries log
broker, steps, beat         Celery without a server or with one, its queues, its clock; filesystem_broker
processes, whole_files, kept_answers    small things that several packages need, each in its one place
"""
