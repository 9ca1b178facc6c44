-- purpose: Asks another user for a connection of the older chat; no row when one of the two has asked already.
-- parameters: user_id uuid, other_user_id uuid
INSERT INTO connection_requests (sender_id, receiver_id)
SELECT $1, $2
 WHERE NOT EXISTS (
    SELECT FROM connection_requests r
     WHERE ((r.sender_id = $1 AND r.receiver_id = $2) OR (r.sender_id = $2 AND r.receiver_id = $1))
       AND r.status <> 'declined')
RETURNING id, sender_id, receiver_id, status, created_at, 0::bigint AS unread_count
