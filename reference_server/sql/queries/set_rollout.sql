-- purpose: Changes the percentage of users who are sent to the new chat.
-- parameters: percentage integer
-- writes: yes, in the function
SELECT phase, rollout_percentage, batch_messages, pause_seconds, reached_connection_id, connections_copied, messages_copied,
       started_at, ended_at
  FROM chatbench.set_rollout($1)
