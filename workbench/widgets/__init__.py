"""What shows itself in a notebook: small tables, and the control panel."""
