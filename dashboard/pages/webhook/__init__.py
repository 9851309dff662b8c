"""Webhooks and what was sent there."""
