-- purpose: Stores a message under a key of chance (as UUIDv4): each falls on another page of the index.
-- question: storing
-- setup: storing_setup.sql
-- parameters: conversation_id uuid, sender_id uuid, content text, client_id uuid
INSERT INTO laboratory_messages_by_chance (id, conversation_id, sender_id, content, created_at)
VALUES ($4, $1, $2, $3, clock_timestamp())
RETURNING conversation_id
