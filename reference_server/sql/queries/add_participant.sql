-- purpose: Adds a user to a group, or takes one back.
-- parameters: conversation_id uuid, member_id uuid
-- writes: yes, in the function
SELECT role, joined_at, last_read_seq, is_new
  FROM chatbench.add_participant($1, $2)
