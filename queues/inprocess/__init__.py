"""Jobs that run in the process that adds them (`USE_JOB_QUEUE=false`): rows in SQL, slots in a thread, no Redis."""
