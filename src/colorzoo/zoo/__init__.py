"""Papers: one folder each, found by scanning."""
