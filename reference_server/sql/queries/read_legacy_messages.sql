-- purpose: Marks what the other one has sent over a connection as read; gives how many were not, null for strangers.
-- parameters: connection_request_id uuid
-- writes: yes, in the function
SELECT chatbench.mark_legacy_read($1) AS marked
