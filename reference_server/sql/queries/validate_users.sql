-- purpose: What the next users have sent over migrated connections, in the older schema and in the new: counts, sums.
-- parameters: after_user_id uuid, user_count integer
WITH chosen AS (
    SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2),
mapped AS (
    SELECT chosen.id AS user_id, g.connection_request_id, g.conversation_id
      FROM chosen
      JOIN connection_requests r ON r.sender_id = chosen.id OR r.receiver_id = chosen.id
      JOIN chatbench.migrated_connections g ON g.connection_request_id = r.id
     -- What a roll back has left behind is compared again when it has been caught up.
     WHERE NOT EXISTS (
        SELECT FROM chatbench.migrated_connections other
         WHERE other.conversation_id = g.conversation_id AND NOT other.is_current)),
old AS (
    SELECT mapped.user_id, count(*) AS messages,
           sum(hash_record_extended(ROW (m.id, m.content, m.created_at), 0)::numeric) AS checksum
      FROM mapped
      JOIN messages m ON m.connection_request_id = mapped.connection_request_id AND m.sender_id = mapped.user_id
     GROUP BY mapped.user_id),
new AS (
    SELECT conversations.user_id, count(*) AS messages,
           sum(hash_record_extended(ROW (m.id, m.content, m.created_at), 0)::numeric) AS checksum
      FROM (SELECT DISTINCT user_id, conversation_id FROM mapped) AS conversations
      JOIN chat_messages m
        ON m.conversation_id = conversations.conversation_id AND m.sender_id = conversations.user_id
     GROUP BY conversations.user_id)
SELECT chosen.id AS user_id, coalesce(old.messages, 0) AS old_messages, coalesce(new.messages, 0) AS new_messages,
       old.checksum IS NOT DISTINCT FROM new.checksum AS checksums_agree
  FROM chosen
  LEFT JOIN old ON old.user_id = chosen.id
  LEFT JOIN new ON new.user_id = chosen.id
 ORDER BY chosen.id
