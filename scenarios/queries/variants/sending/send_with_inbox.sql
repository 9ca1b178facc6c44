-- purpose: Stores a message and moves its conversation up in every member's denormalised inbox.
-- question: sending
-- setup: ../direct_inbox/denormalised_inbox_setup.sql
-- parameters: conversation_id uuid, sender_id uuid, content text, client_id uuid
WITH sent AS (
    INSERT INTO chat_messages (conversation_id, sender_id, content, client_id)
    VALUES ($1, $2, $3, $4)
    RETURNING id, conversation_id, created_at),
moved AS (
    UPDATE laboratory_inbox i
       SET last_message_at = sent.created_at
      FROM sent
     WHERE i.conversation_id = sent.conversation_id
    RETURNING i.user_id)
-- The rows are counted, because what nobody reads is executed after the plan and counted by no EXPLAIN.
SELECT id, created_at, (SELECT count(*) FROM moved) AS moved_count FROM sent
