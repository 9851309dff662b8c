"""The command line of queues: one module per noun, each verb a function from options to an exit code."""
