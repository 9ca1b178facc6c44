-- purpose: One user by id.
-- parameters: user_id uuid
SELECT id, display_name, created_at
  FROM users
 WHERE id = $1
