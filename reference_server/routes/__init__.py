"""The HTTP API's routes, one module per subject; each names its own in HANDLERS."""
