-- purpose: Who is typing in a conversation now.
-- parameters: conversation_id uuid
SELECT user_id
  FROM typing_indicators
 WHERE conversation_id = $1 AND expires_at > clock_timestamp()
