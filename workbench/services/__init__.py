"""The only place where tasks start and wall time is read."""
