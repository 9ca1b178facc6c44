-- purpose: Whether a user is among a conversation's members, all of whom are read.
-- question: membership
-- parameters: conversation_id uuid, user_id uuid
SELECT $2 = ANY (ARRAY(SELECT user_id
                         FROM conversation_participants
                        WHERE conversation_id = $1 AND left_at IS NULL)) AS is_member
