-- purpose: Takes the right to change this database's indexes, when nobody has it; it ends with the transaction.
-- Not an advisory lock, which whoever may log in can take and keep; and on a view, which VACUUM does not wait for.
LOCK TABLE chatbench.index_turn IN EXCLUSIVE MODE NOWAIT
