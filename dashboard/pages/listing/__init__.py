"""Lists of jobs: which, in which columns, and what may be done to many."""
