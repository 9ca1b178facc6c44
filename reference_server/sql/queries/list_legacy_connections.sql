-- purpose: A page of one's connections of the older chat, newest first, each with its unread count.
-- parameters: user_id uuid, before_connection_id uuid, page_limit integer
SELECT r.id, r.sender_id, r.receiver_id, r.status, r.created_at,
       (SELECT count(*)
          FROM messages m
         WHERE m.connection_request_id = r.id AND m.sender_id <> $1 AND m.read_at IS NULL) AS unread_count
  FROM connection_requests r
 WHERE (r.sender_id = $1 OR r.receiver_id = $1) AND r.id < $2
 ORDER BY r.id DESC
 LIMIT $3
