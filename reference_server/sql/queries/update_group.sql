-- purpose: Changes name and description of a group; null leaves one as it is.
-- parameters: conversation_id uuid, new_name text, new_description text
-- writes: yes, in the function
SELECT name, description
  FROM chatbench.update_group($1, $2, $3)
