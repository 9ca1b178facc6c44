-- purpose: Takes the caller out of a group; the role they had.
-- parameters: conversation_id uuid
-- writes: yes, in the function
SELECT chatbench.leave_group($1) AS role
