"""A ProjectX Gateway on this machine: REST, hubs, accounts, market, faults."""
