-- purpose: Notes that a server process serves this database, when no other one does; it ends with the transaction.
-- Not an advisory lock, which whoever may log in can take and keep; and on a view, which VACUUM does not wait for.
LOCK TABLE chatbench.server_turn IN EXCLUSIVE MODE NOWAIT
