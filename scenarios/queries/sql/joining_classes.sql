-- purpose: The groups with the most and the fewest members, their owners, and people who are not in them.
WITH sizes AS (
    SELECT conversation_id, count(*) AS members
      FROM conversation_participants
     WHERE conversation_type = 'group' AND left_at IS NULL
     GROUP BY conversation_id),
ranked AS (
    SELECT conversation_id, row_number() OVER (ORDER BY members DESC, conversation_id) AS rank,
           count(*) OVER () AS group_count
      FROM sizes)
SELECT CASE rank WHEN 1 THEN 'large' ELSE 'small' END AS parameter_class,
       (SELECT o.user_id
          FROM conversation_participants o
         WHERE o.conversation_id = ranked.conversation_id AND o.role = 'owner' AND o.left_at IS NULL
         ORDER BY o.user_id
         LIMIT 1) AS caller_id,
       conversation_id,
       -- As many as a comparison may execute: one each.
       ARRAY(SELECT u.id
               FROM users u
              WHERE NOT EXISTS (SELECT FROM conversation_participants p
                                 WHERE p.conversation_id = ranked.conversation_id AND p.user_id = u.id)
              ORDER BY u.id
              LIMIT 5000) AS each_member_id
  FROM ranked
 WHERE rank IN (1, group_count)
 ORDER BY parameter_class
