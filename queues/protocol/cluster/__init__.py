"""Redis Cluster: one wire of many, which knows who holds which slot and follows the slots where they go."""
