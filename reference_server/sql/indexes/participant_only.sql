-- purpose: The inbox pair without last_message_at: found by an index and sorted, and sends stay heap-only.
-- statements: list_conversations, inbox_or, inbox_union_all
CREATE INDEX CONCURRENTLY idx_conversations_participant1
    ON conversations (participant1_id) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_conversations_participant2
    ON conversations (participant2_id) WHERE type = 'direct';
