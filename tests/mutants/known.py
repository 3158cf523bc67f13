"""Mutants that make no difference to what is traded or stopped, each with its reason."""

NO_DIFFERENCE: dict[str, str] = {}
