-- purpose: A conversation's newest seq; seqs are gap-free from 1.
-- parameters: conversation_id uuid
SELECT last_seq FROM conversations WHERE id = $1
