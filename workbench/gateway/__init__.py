"""Everything that speaks to a ProjectX Gateway: messages, the hub protocol without I/O, REST, hubs, translation, client."""
