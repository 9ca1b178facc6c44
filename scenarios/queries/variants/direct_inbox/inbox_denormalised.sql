-- purpose: The direct inbox from a table that holds each user's list in order; every send has to write it for all members.
-- question: direct_inbox
-- setup: denormalised_inbox_setup.sql
-- parameters: user_id uuid, page_limit integer
SELECT conversation_id AS id, last_message_at
  FROM laboratory_inbox
 WHERE user_id = $1
 ORDER BY last_message_at DESC, conversation_id DESC
 LIMIT $2
