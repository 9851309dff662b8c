"""Bulk work: before it begins, as it runs, what became of it."""
