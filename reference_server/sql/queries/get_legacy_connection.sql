-- purpose: One connection of the older chat, and the conversation that it has become, if it has.
-- parameters: connection_request_id uuid
SELECT r.id, r.sender_id, r.receiver_id, r.status, r.created_at, g.conversation_id
  FROM connection_requests r
  LEFT JOIN chatbench.migrated_connections g ON g.connection_request_id = r.id AND g.is_current
 WHERE r.id = $1
