-- purpose: Lets the next laboratory in.
SELECT pg_advisory_unlock(hashtext('chatbench laboratory'))
