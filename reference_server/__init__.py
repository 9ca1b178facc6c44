"""The target: a minimal chat server on PostgreSQL with the roadmap's features."""
