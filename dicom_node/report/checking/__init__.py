"""Whether a Structured Report is right where the public validators do not look: TID 1500, codes, units, references."""
