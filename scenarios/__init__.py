"""How the target is used: load scenarios and the query laboratory."""
