-- purpose: A page of one's conversations, newest first, each with its unread count and last message.
-- question: inbox
-- parameters: user_id uuid, before_at timestamptz, before_id uuid, page_limit integer
-- Each branch is ordered and limited by itself: only then does an index on (participant, last_message_at) end early.
SELECT c.id, c.type, c.name, c.description, c.participant1_id, c.participant2_id, c.created_by, c.created_at,
       c.last_message_at, c.last_seq,
       p.role, p.last_read_seq, greatest(c.last_seq - p.last_read_seq, 0) AS unread_count,
       m.id AS message_id, m.sender_id AS message_sender_id, m.content AS message_content,
       m.client_id AS message_client_id, m.created_at AS message_created_at,
       m.edited_at AS message_edited_at, m.deleted_at AS message_deleted_at
  FROM ((SELECT *
           FROM conversations
          WHERE type = 'direct' AND participant1_id = $1 AND (last_message_at, id) < ($2, $3)
          ORDER BY last_message_at DESC, id DESC
          LIMIT $4)
        UNION ALL
        (SELECT *
           FROM conversations
          WHERE type = 'direct' AND participant2_id = $1 AND (last_message_at, id) < ($2, $3)
          ORDER BY last_message_at DESC, id DESC
          LIMIT $4)
        UNION ALL
        (SELECT g.*
           FROM conversation_participants mine
           JOIN conversations g ON g.id = mine.conversation_id
          WHERE mine.user_id = $1 AND mine.left_at IS NULL AND mine.conversation_type = 'group'
            AND (g.last_message_at, g.id) < ($2, $3)
          ORDER BY g.last_message_at DESC, g.id DESC
          LIMIT $4)) AS c
  JOIN conversation_participants p ON p.conversation_id = c.id AND p.user_id = $1
  LEFT JOIN chat_messages m ON m.conversation_id = c.id AND m.seq = c.last_seq
 ORDER BY c.last_message_at DESC, c.id DESC
 LIMIT $4
