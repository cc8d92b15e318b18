"""What the steps make of a study: runs with their answers, embeddings, objects for the PACS."""
