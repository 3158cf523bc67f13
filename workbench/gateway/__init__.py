"""Everything that speaks to a ProjectX Gateway: messages, hub protocol, REST, hubs, translation, client."""
