-- purpose: A member with few, with a median number and with many memberships, each in the largest conversation they are in.
WITH ranked AS (
    SELECT user_id, count(*) AS memberships,
           row_number() OVER (ORDER BY count(*) DESC, user_id) AS rank, count(*) OVER () AS users
      FROM conversation_participants
     WHERE left_at IS NULL
     GROUP BY user_id),
chosen AS (
    SELECT CASE rank WHEN 1 THEN 'many' WHEN users THEN 'few' ELSE 'median' END || ' memberships: ' || memberships
               AS parameter_class,
           user_id
      FROM ranked
     WHERE rank IN (1, (users + 1) / 2, users))
SELECT chosen.parameter_class, chosen.user_id AS caller_id, chosen.user_id, own.id AS conversation_id,
       own.last_seq + 1 AS before_seq,
       '9999-12-31 00:00:00+00'::timestamptz AS before_at,
       'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid AS before_id
  FROM chosen
 CROSS JOIN LATERAL (
    SELECT c.id, c.last_seq
      FROM conversation_participants p
      JOIN conversations c ON c.id = p.conversation_id
     WHERE p.user_id = chosen.user_id AND p.left_at IS NULL
     ORDER BY c.last_seq DESC, c.id
     LIMIT 1) AS own
 ORDER BY chosen.parameter_class
