-- purpose: The roadmap's three indexes and two for "my conversations" and "my groups", which they leave to a scan.
-- statements: list_conversations, inbox_or, inbox_or_any_type, inbox_union_all, list_members, list_memberships
CREATE INDEX CONCURRENTLY idx_conversations_user_activity
    ON conversations (participant1_id, last_message_at DESC) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_conversations_user2_activity
    ON conversations (participant2_id, last_message_at DESC) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_active_group_members
    ON conversation_participants (conversation_id, user_id) WHERE left_at IS NULL;
CREATE INDEX CONCURRENTLY idx_memberships
    ON conversation_participants (user_id, conversation_id) WHERE left_at IS NULL;
CREATE INDEX CONCURRENTLY idx_group_memberships
    ON conversation_participants (user_id, conversation_id) WHERE left_at IS NULL AND conversation_type = 'group';
