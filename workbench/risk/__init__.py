"""May we? One gate, values as answers."""
