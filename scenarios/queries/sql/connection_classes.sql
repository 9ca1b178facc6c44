-- purpose: Connections of the older chat: accepted ones with the most and the median number of messages, and none.
WITH counted AS (
    SELECT r.id, r.sender_id, r.receiver_id, count(m.id) AS messages
      FROM connection_requests r
      JOIN messages m ON m.connection_request_id = r.id
     WHERE r.status = 'accepted'
     GROUP BY r.id, r.sender_id, r.receiver_id),
ranked AS (
    SELECT id, sender_id, receiver_id, row_number() OVER (ORDER BY messages DESC, id) AS rank, count(*) OVER () AS connections
      FROM counted),
chosen AS (
    SELECT 'hot' AS parameter_class, id, sender_id, receiver_id FROM ranked WHERE rank = 1
    UNION ALL
    SELECT 'median', id, sender_id, receiver_id FROM ranked WHERE rank = (connections + 1) / 2 AND rank > 1)
SELECT parameter_class, sender_id AS caller_id, id AS connection_request_id, sender_id
  FROM chosen
UNION ALL
SELECT 'absent', sender_id, md5('absent connection')::uuid, sender_id
  FROM chosen
 WHERE parameter_class = 'hot'
 ORDER BY parameter_class
