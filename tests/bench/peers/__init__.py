"""Who runs in the benchmarks of workers: our processors, PyPI's BullMQ, and a loader that does nothing else."""
