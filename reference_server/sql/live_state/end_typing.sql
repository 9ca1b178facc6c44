-- purpose: A user is typing in a conversation no more.
-- parameters: conversation_id uuid, user_id uuid
DELETE FROM typing_indicators
 WHERE conversation_id = $1 AND user_id = $2
