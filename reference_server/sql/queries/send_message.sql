-- purpose: Stores a message; a trigger gives it the conversation's next seq.
-- question: sending
-- parameters: conversation_id uuid, sender_id uuid, content text, client_id uuid
-- A repeated (sender_id, client_id) fails on chat_messages_retry and takes its seq back: no gap.
INSERT INTO chat_messages (conversation_id, sender_id, content, client_id)
VALUES ($1, $2, $3, $4)
RETURNING id, conversation_id, seq, sender_id, content, client_id, created_at, edited_at, deleted_at
