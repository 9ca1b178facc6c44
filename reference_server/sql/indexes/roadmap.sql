-- purpose: The roadmap's three indexes, as written there.
-- statements: list_conversations, inbox_or, inbox_or_any_type, inbox_union_all, list_members
CREATE INDEX CONCURRENTLY idx_conversations_user_activity
    ON conversations (participant1_id, last_message_at DESC) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_conversations_user2_activity
    ON conversations (participant2_id, last_message_at DESC) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_active_group_members
    ON conversation_participants (conversation_id, user_id) WHERE left_at IS NULL;
