-- purpose: Stores a message under a key that grows with time (UUIDv7).
-- question: storing
-- setup: storing_setup.sql
-- parameters: conversation_id uuid, sender_id uuid, content text, client_id uuid
INSERT INTO laboratory_messages_by_time (id, conversation_id, sender_id, content, created_at)
SELECT uuidv7(), $1, $2, $3, clock_timestamp() WHERE $4::uuid IS NOT NULL
RETURNING conversation_id
