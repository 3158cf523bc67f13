"""What the trade speaks of: contracts, hours, timeframes, bars, orders, positions, events, commands. Pure."""
