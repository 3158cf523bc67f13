"""Files and tables: the only room that touches the disk."""
