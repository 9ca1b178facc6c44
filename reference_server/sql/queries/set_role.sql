-- purpose: Gives a participant of a group another role; whether it is new.
-- parameters: conversation_id uuid, member_id uuid, role text
-- writes: yes, in the function
SELECT chatbench.set_role($1, $2, $3) AS is_new
