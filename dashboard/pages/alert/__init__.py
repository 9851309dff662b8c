"""Alerts, their rules, silences and channels."""
