-- purpose: A page of the directory: everyone there is, by id.
-- parameters: after_user_id uuid, page_limit integer
SELECT id, display_name, created_at
  FROM users
 WHERE id > $1
 ORDER BY id
 LIMIT $2
