-- purpose: Messages by time and id, descending: a total order, so that a row value finds its place at any depth.
-- statements: page_by_created_at, page_by_created_at_and_id, page_by_offset
CREATE INDEX CONCURRENTLY idx_messages_created_at_id
    ON chat_messages (conversation_id, created_at DESC, id DESC);
