-- purpose: Changes the throttle of the backfill: the messages of a batch, and the pause after it.
-- parameters: batch_messages integer, pause_seconds double precision
UPDATE chatbench.migration_state
   SET batch_messages = coalesce($1, batch_messages), pause_seconds = coalesce($2, pause_seconds)
RETURNING phase, rollout_percentage, batch_messages, pause_seconds, reached_connection_id, connections_copied, messages_copied,
       started_at, ended_at
