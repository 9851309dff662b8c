"""An app whose jobs.py the workers discover."""
