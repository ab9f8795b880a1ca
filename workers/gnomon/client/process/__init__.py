"""What a process has once for all its clients: the background thread, fork and exit hooks, the log limit."""
