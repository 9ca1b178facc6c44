"""The HTTP API's routes, one module per subject; `http_api` puts them together."""
