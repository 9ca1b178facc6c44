"""The HTTP API's routes, one module per subject, each with a tuple HANDLERS."""
