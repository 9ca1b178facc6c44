-- purpose: Hash indexes for equality: no order, no uniqueness, one column.
-- statements: list_members, list_memberships, list_conversations
CREATE INDEX CONCURRENTLY idx_participants_user_hash
    ON conversation_participants USING hash (user_id);
CREATE INDEX CONCURRENTLY idx_conversations_participant1_hash
    ON conversations USING hash (participant1_id);
CREATE INDEX CONCURRENTLY idx_conversations_participant2_hash
    ON conversations USING hash (participant2_id);
