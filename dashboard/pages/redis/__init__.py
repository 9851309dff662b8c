"""Redis as an operator needs it, and the self-check."""
