-- purpose: Removes a user from a group; the role they had.
-- parameters: conversation_id uuid, member_id uuid
-- writes: yes, in the function
SELECT chatbench.remove_participant($1, $2) AS role
