"""Does not import."""

raise RuntimeError("no licence for the model")
