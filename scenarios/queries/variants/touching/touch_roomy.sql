-- purpose: Notes when all conversations of a user were last written to, on a page with room (fillfactor 85).
-- question: touching
-- setup: touching_setup.sql
-- parameters: user_id uuid
UPDATE laboratory_activity_roomy a
   SET last_message_at = clock_timestamp()
  FROM conversation_participants p
 WHERE p.user_id = $1 AND p.left_at IS NULL AND a.id = p.conversation_id
RETURNING a.id
