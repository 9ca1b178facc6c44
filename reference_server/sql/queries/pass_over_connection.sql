-- purpose: Notes that the backfill has left a connection behind, for the next pass.
-- parameters: connection_request_id uuid
UPDATE chatbench.migration_state
   SET reached_connection_id = $1
