"""One deterministic `step`: events in, commands out, no I/O inside."""
