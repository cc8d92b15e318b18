"""Search over the kept embeddings: studies for a text, for a study, of one patient; and reports for a study."""
