"""Runs jobs: a worker has an engine per queue, an engine has slots, a slot runs one job after another."""
