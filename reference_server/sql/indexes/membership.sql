-- purpose: Memberships by user, for "my conversations" and for the policies; nothing that a send updates.
-- statements: list_memberships, list_conversations, list_resumable, inbox_membership_join
CREATE INDEX CONCURRENTLY idx_memberships
    ON conversation_participants (user_id, conversation_id) WHERE left_at IS NULL;
