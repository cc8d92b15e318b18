"""`echoworker demo`: a small PACS, synthetic hearts whose truth is known, and what the model made of them."""
