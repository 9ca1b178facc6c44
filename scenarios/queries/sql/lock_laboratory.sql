-- purpose: One laboratory at a time in a cluster: two would measure each other. False when another holds it.
SELECT pg_try_advisory_lock(hashtext('chatbench laboratory'))
