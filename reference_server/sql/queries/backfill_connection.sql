-- purpose: Copies one connection and notes that it has been visited, in one transaction.
-- parameters: connection_request_id uuid
-- writes: yes, in the function
SELECT conversation_id, messages_copied, last_seq, sender_id
  FROM chatbench.backfill_connection($1)
