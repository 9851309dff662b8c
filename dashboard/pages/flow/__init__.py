"""Flows, as trees."""
