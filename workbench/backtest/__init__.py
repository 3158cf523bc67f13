"""What a rule would have done: the matcher, the event engine, results."""
