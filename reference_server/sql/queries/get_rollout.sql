-- purpose: The migration's phase, and the percentage of users who are sent to the new chat.
SELECT phase, rollout_percentage
  FROM chatbench.migration_state
