"""The one box: what it finds, and what may be done with that."""
