-- purpose: The answer of the one who was asked; no row when there is nothing to answer.
-- parameters: connection_request_id uuid, connection_status text
UPDATE connection_requests
   SET status = $2
 WHERE id = $1 AND receiver_id = (SELECT auth.uid()) AND status = 'pending'
RETURNING id, sender_id, receiver_id, status, created_at, 0::bigint AS unread_count
