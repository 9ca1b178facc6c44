-- purpose: The caller is typing in a conversation no more.
-- parameters: conversation_id uuid
SELECT chatbench.end_typing($1)
