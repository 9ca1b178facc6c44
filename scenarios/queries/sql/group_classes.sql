-- purpose: Groups to create: a few people, and many.
WITH creator AS (SELECT id FROM users ORDER BY id LIMIT 1)
-- Three and fifty others: guesses for a family and a class.
SELECT sizes.parameter_class, creator.id AS caller_id,
       ARRAY(SELECT u.id FROM users u WHERE u.id <> creator.id ORDER BY u.id LIMIT sizes.others) AS user_ids
  FROM creator
 CROSS JOIN (VALUES ('small', 3), ('large', 50)) AS sizes (parameter_class, others)
 ORDER BY parameter_class
