"""One run of one job, wherever that is: in a worker, in the web process, in a test. Nothing here knows Redis."""
