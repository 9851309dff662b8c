"""The queues of five real systems with sample processors and traffic: a demonstration that runs on one machine.

`settings.QUEUES` holds the queues with their settings. `jobs.py` is discovered like any app's and registers one
*sample* processor per queue (per job type for `ai-jobs`): it has the shape of the real work (stages, progress, logs,
failures, results) and calls nothing outside. To run your own work on these queues, name it in Django's settings:

    TORIL_SYSTEMS = {
        "chat": "myapp.chat.run",                       # takes the place of the sample of that queue
        "ai-jobs.summarize": "myapp.texts.summarize",   # of one job type of that queue
    }

Each value is the dotted path of a processor (`def run(job)` or `async def run(job)`); a wrong one stops the worker
with a sentence that names it. `TORIL_SYSTEMS_PACE` (default 1.0) stretches the samples' durations; 0 makes them none.

`traffic.py` makes up the jobs that `manage.py demo` adds.
"""
