-- purpose: Makes the caller's direct conversation with another user, or gives the one there is.
-- parameters: other_user_id uuid
-- writes: yes, in the function
SELECT id, type, name, description, participant1_id, participant2_id, created_by, created_at, last_message_at, last_seq, is_new
  FROM chatbench.create_direct_conversation($1)
