-- purpose: Each user's direct conversations with the time of the newest message, beside the table that they come from.
CREATE TABLE laboratory_inbox AS
    SELECT p.user_id, c.id AS conversation_id, c.last_message_at
      FROM conversations c
     CROSS JOIN LATERAL (VALUES (c.participant1_id), (c.participant2_id)) AS p (user_id)
     WHERE c.type = 'direct';
ALTER TABLE laboratory_inbox ADD PRIMARY KEY (user_id, conversation_id);
CREATE INDEX laboratory_inbox_activity ON laboratory_inbox (user_id, last_message_at DESC, conversation_id DESC);
CREATE INDEX laboratory_inbox_conversation ON laboratory_inbox (conversation_id);
GRANT SELECT, UPDATE (last_message_at) ON laboratory_inbox TO authenticated;
ANALYZE laboratory_inbox;
