-- purpose: The direct conversation of two users, whichever of them asks.
-- parameters: user_id uuid, other_user_id uuid
SELECT id, type, name, description, participant1_id, participant2_id, created_by, created_at, last_message_at, last_seq
  FROM conversations
 WHERE participant1_id = least($1::uuid, $2::uuid) AND participant2_id = greatest($1::uuid, $2::uuid)
