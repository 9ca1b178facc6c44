-- purpose: The conversation that one's accepted connection has become, migrated at this touch when it is not yet.
-- parameters: connection_request_id uuid
-- writes: yes, in the function
SELECT get_conversation_by_connection_id($1) AS conversation_id
