-- purpose: Whether a conversation is among a user's own, all of which are read.
-- question: membership
-- parameters: conversation_id uuid, user_id uuid
SELECT $1 = ANY (ARRAY(SELECT conversation_id
                         FROM conversation_participants
                        WHERE user_id = $2 AND left_at IS NULL)) AS is_member
