-- purpose: Users with more and more conversations: for each power of two, the user with the fewest at or above it.
WITH counted AS (
    SELECT user_id, count(*) AS conversations
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id),
rungs AS (
    SELECT DISTINCT ON (power) power, user_id, conversations
      FROM generate_series(2, 20) AS power
      JOIN counted ON conversations >= 2 ^ power
     ORDER BY power, conversations, user_id),
steps AS (
    SELECT user_id, conversations FROM rungs
    UNION
    (SELECT user_id, conversations FROM counted ORDER BY conversations DESC, user_id LIMIT 1))
SELECT conversations::text AS parameter_class, user_id AS caller_id, user_id,
       '9999-12-31 00:00:00+00'::timestamptz AS before_at,
       'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS before_id
  FROM steps
 ORDER BY conversations, user_id
