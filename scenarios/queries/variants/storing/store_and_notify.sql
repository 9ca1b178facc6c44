-- purpose: Stores a message and tells listeners: alone, without the lock that writers queue for at commit.
-- question: storing
-- setup: storing_setup.sql
-- parameters: conversation_id uuid, sender_id uuid, content text, client_id uuid
WITH stored AS (
    INSERT INTO laboratory_messages_by_time (id, conversation_id, sender_id, content, created_at)
    SELECT uuidv7(), $1, $2, $3, clock_timestamp() WHERE $4::uuid IS NOT NULL
    RETURNING conversation_id)
SELECT conversation_id FROM stored, LATERAL (SELECT pg_notify('laboratory', conversation_id::text)) AS told
