"""Failures by their cause."""
