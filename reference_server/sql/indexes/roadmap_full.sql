-- purpose: The roadmap's three indexes without their predicates: of use whatever the statement says.
-- statements: list_conversations, list_members
CREATE INDEX CONCURRENTLY idx_conversations_user_activity_full
    ON conversations (participant1_id, last_message_at DESC);
CREATE INDEX CONCURRENTLY idx_conversations_user2_activity_full
    ON conversations (participant2_id, last_message_at DESC);
CREATE INDEX CONCURRENTLY idx_group_members_full
    ON conversation_participants (conversation_id, user_id, left_at);
