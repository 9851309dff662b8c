"""Schedulers: all in one list, one whole, and their forms."""
