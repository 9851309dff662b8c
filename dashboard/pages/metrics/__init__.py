"""How queues fare over time."""
