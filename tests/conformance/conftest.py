"""What lies in `django/` is Django's own: `suite.py` loads it, pytest must not collect it."""

collect_ignore = ["django"]
