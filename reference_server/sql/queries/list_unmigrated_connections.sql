-- purpose: The next accepted connections, by id, that are not in the new schema; with the pace that is wanted now.
-- parameters: page_limit integer
SELECT r.id, s.batch_messages, s.pause_seconds
  FROM chatbench.migration_state s
  JOIN connection_requests r ON r.id > s.reached_connection_id
 WHERE s.phase = 'running' AND r.status = 'accepted'
   AND NOT EXISTS (
    SELECT FROM chatbench.migrated_connections g WHERE g.connection_request_id = r.id AND g.is_current)
 ORDER BY r.id
 LIMIT $1
