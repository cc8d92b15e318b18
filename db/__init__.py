"""The registry: studies, instances, runs, results, deliveries, and their life cycle."""
