"""The routes, one module for each resource: a checked body goes to the desk, its answer comes back as JSON."""
