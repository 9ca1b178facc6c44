-- purpose: Notes that a server process serves this database, when no other one does; it ends with the transaction.
-- A lock on a table, not an advisory one: whoever may log in can take any advisory lock and keep it.
LOCK TABLE chatbench.server_turn IN EXCLUSIVE MODE NOWAIT
