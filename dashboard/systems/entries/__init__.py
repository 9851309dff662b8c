"""The HTTP entries of the five systems, one module each. Whoever asks sees what is theirs alone."""
