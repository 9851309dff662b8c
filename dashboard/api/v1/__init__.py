"""Toril's own API below `/api/v1`, with its OpenAPI document and a page to try it."""
