"""An app whose jobs.py ends the process that imports it."""
