"""Model packs: what one is, how it comes in, and which one is in use."""
