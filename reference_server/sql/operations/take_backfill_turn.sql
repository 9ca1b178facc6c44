-- purpose: Takes the right to copy connections, when nobody has it; it ends with the transaction.
-- A lock on a table, not an advisory one: whoever may log in can take any advisory lock and keep it.
LOCK TABLE chatbench.backfill_turn IN EXCLUSIVE MODE NOWAIT
