-- purpose: Block ranges instead of rows: a few pages for any table, of use where neighbours on disk belong together.
-- statements: page_by_created_at, list_messages
CREATE INDEX CONCURRENTLY idx_messages_created_at_brin
    ON chat_messages USING brin (created_at);
CREATE INDEX CONCURRENTLY idx_conversations_activity_brin
    ON conversations USING brin (last_message_at);
