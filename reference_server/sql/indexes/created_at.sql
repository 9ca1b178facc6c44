-- purpose: Messages by time alone, ascending: the order that a created_at cursor asks for, read backwards.
-- statements: page_by_created_at, page_by_created_at_and_id, page_by_offset
CREATE INDEX CONCURRENTLY idx_messages_created_at
    ON chat_messages (conversation_id, created_at);
