"""What bin/up, bin/test and bin/bench are made of: interpreters, virtualenvs, and the supervisor of the processes."""
