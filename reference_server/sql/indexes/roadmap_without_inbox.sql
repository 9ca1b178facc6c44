-- purpose: The roadmap without its inbox pair: what is left when no index may hold last_message_at.
-- statements: list_members
CREATE INDEX CONCURRENTLY idx_active_group_members
    ON conversation_participants (conversation_id, user_id) WHERE left_at IS NULL;
