"""One simulated user on the wire: the only code that knows the target's HTTP API and gateway."""
