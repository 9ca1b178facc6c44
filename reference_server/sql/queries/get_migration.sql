-- purpose: Where the migration is: what operators see.
SELECT phase, rollout_percentage, batch_messages, pause_seconds, reached_connection_id, connections_copied, messages_copied,
       started_at, ended_at
  FROM chatbench.migration_state
