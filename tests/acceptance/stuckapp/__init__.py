"""An app whose processors do not end."""
