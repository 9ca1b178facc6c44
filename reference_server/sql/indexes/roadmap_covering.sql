-- purpose: The roadmap's three indexes with the columns that their statements return: answers without the table.
-- statements: list_conversations, inbox_or, inbox_union_all, list_members, list_participants
CREATE INDEX CONCURRENTLY idx_conversations_user_activity_covering
    ON conversations (participant1_id, last_message_at DESC, id DESC) INCLUDE (last_seq) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_conversations_user2_activity_covering
    ON conversations (participant2_id, last_message_at DESC, id DESC) INCLUDE (last_seq) WHERE type = 'direct';
CREATE INDEX CONCURRENTLY idx_active_group_members_covering
    ON conversation_participants (conversation_id, user_id) INCLUDE (role, last_read_seq) WHERE left_at IS NULL;
