"""The desk's HTTP and WebSocket door: what may come in, who may knock, and what is answered."""
