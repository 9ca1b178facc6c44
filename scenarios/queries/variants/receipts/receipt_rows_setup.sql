-- purpose: One row per reader of each of the last 200 messages of the group with the most members (200: a guess).
CREATE TABLE laboratory_receipts AS
    SELECT large.conversation_id, message.seq, p.user_id, now() AS read_at
      FROM (SELECT conversation_id
              FROM conversation_participants
             WHERE left_at IS NULL
             GROUP BY conversation_id
             ORDER BY count(*) DESC, conversation_id
             LIMIT 1) AS large
      JOIN conversations c ON c.id = large.conversation_id
     CROSS JOIN LATERAL generate_series(greatest(c.last_seq - 199, 1), c.last_seq) AS message (seq)
      JOIN conversation_participants p
        ON p.conversation_id = c.id AND p.last_read_seq >= message.seq AND p.left_at IS NULL;
ALTER TABLE laboratory_receipts ADD PRIMARY KEY (conversation_id, seq, user_id);
GRANT SELECT ON laboratory_receipts TO authenticated;
ANALYZE laboratory_receipts;
