-- purpose: Whether a user is in a conversation now.
-- question: membership
-- parameters: conversation_id uuid, user_id uuid
SELECT EXISTS (
    SELECT FROM conversation_participants
     WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL) AS is_member
