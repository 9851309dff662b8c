"""The process over the worker processes. Nothing here imports Django: it stays small."""
