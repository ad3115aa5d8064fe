"""Everything is learnt from pairs rendered on the fly."""
