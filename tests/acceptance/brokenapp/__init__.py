"""An app whose jobs.py cannot be imported."""
