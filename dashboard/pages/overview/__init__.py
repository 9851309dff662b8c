"""Every queue of a connection."""
