-- purpose: Makes a group of the caller, who owns it, and others.
-- parameters: name text, user_ids uuid[]
-- writes: yes, in the function
SELECT id, type, name, description, participant1_id, participant2_id, created_by, created_at, last_message_at, last_seq
  FROM chatbench.create_group_conversation($1, $2)
