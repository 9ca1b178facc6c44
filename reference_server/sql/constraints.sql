-- purpose: Keys, foreign keys and triggers: what correctness needs. Indexes for speed are strategies in indexes/.

ALTER TABLE users ADD PRIMARY KEY (id);

ALTER TABLE conversations ADD PRIMARY KEY (id);
-- The roadmap's indexes give no uniqueness per pair; this one does, whatever the race.
ALTER TABLE conversations ADD CONSTRAINT conversations_pair UNIQUE (participant1_id, participant2_id);

ALTER TABLE conversation_participants ADD PRIMARY KEY (conversation_id, user_id);

ALTER TABLE chat_messages ADD PRIMARY KEY (conversation_id, seq);
ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_id UNIQUE (id);
-- Deferrable for what PostgreSQL refuses then: INSERT … ON CONFLICT takes a seq before it finds the row that is in its
-- way, and a user with SQL in hand could leave gaps. It costs nothing where there is no conflict.
ALTER TABLE chat_messages
    ADD CONSTRAINT chat_messages_retry UNIQUE (sender_id, client_id) DEFERRABLE INITIALLY IMMEDIATE;

ALTER TABLE conversations
    ADD FOREIGN KEY (participant1_id) REFERENCES users (id),
    ADD FOREIGN KEY (participant2_id) REFERENCES users (id),
    ADD FOREIGN KEY (created_by) REFERENCES users (id);
ALTER TABLE conversation_participants
    ADD FOREIGN KEY (conversation_id) REFERENCES conversations (id),
    ADD FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE chat_messages
    ADD FOREIGN KEY (conversation_id) REFERENCES conversations (id),
    ADD FOREIGN KEY (sender_id) REFERENCES users (id);

CREATE TRIGGER assign_seq BEFORE INSERT ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION chatbench.assign_seq();
CREATE TRIGGER mark_change BEFORE UPDATE OF content, deleted_at ON chat_messages
    FOR EACH ROW EXECUTE FUNCTION chatbench.mark_change();
-- Not inside our own triggers: those run as the owner, and write watermarks that they have just computed, once per
-- message. Inside a trigger of the app role's making, on a table of its own, it counts.
CREATE TRIGGER keep_watermark BEFORE UPDATE OF last_read_seq ON conversation_participants
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 OR current_user = 'authenticated') EXECUTE FUNCTION chatbench.keep_watermark();

ALTER TABLE connection_requests ADD PRIMARY KEY (id);
ALTER TABLE connection_requests
    ADD FOREIGN KEY (sender_id) REFERENCES users (id),
    ADD FOREIGN KEY (receiver_id) REFERENCES users (id);
ALTER TABLE messages ADD PRIMARY KEY (id);
ALTER TABLE messages
    ADD FOREIGN KEY (connection_request_id) REFERENCES connection_requests (id),
    ADD FOREIGN KEY (sender_id) REFERENCES users (id);
CREATE INDEX messages_connection_request ON messages (connection_request_id, created_at);
-- The older chat's own indexes: its lists are part of what is measured against the new one, not a strategy.
CREATE INDEX connection_requests_sender ON connection_requests (sender_id);
CREATE INDEX connection_requests_receiver ON connection_requests (receiver_id);
ALTER TABLE chatbench.migrated_connections
    ADD FOREIGN KEY (connection_request_id) REFERENCES connection_requests (id),
    ADD FOREIGN KEY (conversation_id) REFERENCES conversations (id);
