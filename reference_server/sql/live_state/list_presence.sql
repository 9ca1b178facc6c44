-- purpose: The status of each of the users that were ever seen.
-- parameters: user_ids uuid[]
SELECT user_id, status, version, last_seen_at
  FROM user_presence
 WHERE user_id = ANY ($1)
