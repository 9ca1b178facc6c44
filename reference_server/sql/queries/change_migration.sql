-- purpose: One command to the migration: start, pause, resume, abort or roll_back; refused where it does not fit.
-- parameters: command text
-- writes: yes, in the function
SELECT phase, rollout_percentage, batch_messages, pause_seconds, reached_connection_id, connections_copied, messages_copied,
       started_at, ended_at
  FROM chatbench.change_migration($1)
