-- purpose: Two branches whose order and limit stand outside alone.
-- question: direct_inbox
-- parameters: user_id uuid, page_limit integer
SELECT id, last_message_at
  FROM (SELECT * FROM conversations WHERE type = 'direct' AND participant1_id = $1
        UNION ALL
        SELECT * FROM conversations WHERE type = 'direct' AND participant2_id = $1) AS either
 ORDER BY last_message_at DESC, id DESC
 LIMIT $2
