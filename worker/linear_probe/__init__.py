"""The second kind of model pack: a head of a site's own on the kept embeddings of another pack."""
