"""Django's tasks on Toril's workers: `TASKS = {"default": {"BACKEND": "queues.tasks.TorilBackend"}}`."""

from queues.tasks.backend import TorilBackend

__all__ = ["TorilBackend"]
