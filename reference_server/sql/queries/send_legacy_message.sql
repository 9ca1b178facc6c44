-- purpose: Stores a message of the older chat; triggers copy it into the conversation that its connection has become.
-- parameters: connection_request_id uuid, sender_id uuid, content text
INSERT INTO messages (connection_request_id, sender_id, content)
VALUES ($1, $2, $3)
RETURNING id, connection_request_id, sender_id, content, created_at, read_at
