"""Model packs, the two towers, and zero-shot scoring."""
