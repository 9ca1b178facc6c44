-- purpose: verify_migration(): whether the older schema and the new one tell the same, as the rows are now.

-- Every check reads the rows themselves, not the counts that the migration keeps. A connection that a roll back left
-- behind (is_current is false) may hold messages that the new chat lacks, never the other way round.
CREATE FUNCTION public.verify_migration()
RETURNS TABLE (check_name text, examined bigint, mismatches bigint, is_ok boolean, example text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH mapped AS MATERIALIZED (
        SELECT conversation_id, bool_and(is_current) AS is_current
          FROM chatbench.migrated_connections
         GROUP BY conversation_id),
    old AS MATERIALIZED (
        SELECT l.id, l.connection_request_id, l.sender_id, l.content, l.created_at, l.read_at,
               g.conversation_id, g.is_current, g.migrated_at
          FROM chatbench.migrated_connections g
          JOIN public.messages l ON l.connection_request_id = g.connection_request_id),
    new AS MATERIALIZED (
        SELECT m.id, m.conversation_id, m.seq, m.sender_id, m.content, m.created_at, m.client_id = m.id AS is_copy
          FROM mapped
          JOIN public.chat_messages m ON m.conversation_id = mapped.conversation_id),
    both_sides AS MATERIALIZED (
        SELECT old.*, new.seq, new.is_copy, new.sender_id AS new_sender_id, new.content AS new_content,
               new.created_at AS new_created_at
          FROM old JOIN new ON new.id = old.id AND new.conversation_id = old.conversation_id),
    old_counts AS (SELECT conversation_id, count(*) AS messages FROM old GROUP BY conversation_id),
    new_counts AS (SELECT conversation_id, count(*) AS messages FROM new GROUP BY conversation_id),
    -- As many messages on both sides of every conversation.
    counts AS (
        SELECT mapped.conversation_id::text AS thing,
               CASE WHEN mapped.is_current THEN coalesce(o.messages, 0) <> coalesce(n.messages, 0)
                    ELSE coalesce(o.messages, 0) < coalesce(n.messages, 0) END AS differs
          FROM mapped
          LEFT JOIN old_counts o USING (conversation_id)
          LEFT JOIN new_counts n USING (conversation_id)),
    -- Within a connection: what was copied in one go, what was there before, and what has come since then, each
    -- lies by seq as it lies by time.
    ordered AS (
        SELECT id::text AS thing,
               coalesce((created_at, id) < lag((created_at, id)) OVER earlier, false) AS differs
          FROM both_sides
        WINDOW earlier AS (
            PARTITION BY connection_request_id,
                         CASE WHEN is_current AND created_at > migrated_at THEN 'since'
                              WHEN is_copy THEN 'copied' ELSE 'before' END
            ORDER BY seq)),
    -- Sums of hashes of whole rows, over what both sides hold.
    checksums AS (
        SELECT conversation_id::text AS thing,
               sum(hash_record_extended(ROW (id, sender_id, created_at, content), 0)::numeric)
               <> sum(hash_record_extended(ROW (id, new_sender_id, new_created_at, new_content), 0)::numeric) AS differs
          FROM both_sides
         GROUP BY conversation_id),
    -- No message on one side only, and no connection mapped to a conversation of others.
    orphans AS (
        SELECT 'messages ' || old.id AS thing, new.id IS NULL AS differs
          FROM old LEFT JOIN new ON new.id = old.id AND new.conversation_id = old.conversation_id
         WHERE old.is_current
        UNION ALL
        SELECT 'chat_messages ' || new.id, old.id IS NULL
          FROM new LEFT JOIN old ON old.id = new.id AND old.conversation_id = new.conversation_id
        UNION ALL
        SELECT 'connection_requests ' || r.id,
               (c.participant1_id, c.participant2_id)
               IS DISTINCT FROM (least(r.sender_id, r.receiver_id), greatest(r.sender_id, r.receiver_id))
          FROM chatbench.migrated_connections g
          JOIN public.connection_requests r ON r.id = g.connection_request_id
          LEFT JOIN public.conversations c ON c.id = g.conversation_id),
    -- The same words of the same sender at the same moment as often on one side as on the other.
    old_words AS (
        SELECT conversation_id, sender_id, created_at, content, count(*) AS times
          FROM old GROUP BY conversation_id, sender_id, created_at, content),
    new_words AS (
        SELECT conversation_id, sender_id, created_at, content, count(*) AS times
          FROM new GROUP BY conversation_id, sender_id, created_at, content),
    duplicates AS (
        SELECT concat_ws(' ', conversation_id, sender_id, created_at) AS thing,
               coalesce(n.times, 0) > greatest(coalesce(o.times, 0), 1)
               OR coalesce(o.times, 0) > greatest(coalesce(n.times, 0), 1) AND mapped.is_current AS differs
          FROM old_words o
          FULL JOIN new_words n USING (conversation_id, sender_id, created_at, content)
          JOIN mapped USING (conversation_id)),
    -- Read in the older chat is what lies below the reader's mark in the new one.
    read_state AS (
        SELECT b.id::text AS thing,
               CASE WHEN b.is_current THEN (b.read_at IS NOT NULL) <> (b.seq <= p.last_read_seq)
                    ELSE b.read_at IS NULL AND b.seq <= p.last_read_seq END AS differs
          FROM both_sides b
          JOIN public.conversation_participants p
            ON p.conversation_id = b.conversation_id AND p.user_id <> b.sender_id),
    -- Once complete, nothing is left behind.
    unmigrated AS (
        SELECT r.id::text AS thing,
               NOT EXISTS (SELECT FROM chatbench.migrated_connections g
                            WHERE g.connection_request_id = r.id AND g.is_current) AS differs
          FROM public.connection_requests r
          JOIN chatbench.migration_state s ON s.phase = 'complete'
         WHERE r.status = 'accepted'),
    found AS (
        SELECT 1 AS place, 'counts' AS name, thing, differs FROM counts
        UNION ALL SELECT 2, 'order', thing, differs FROM ordered
        UNION ALL SELECT 3, 'checksums', thing, differs FROM checksums
        UNION ALL SELECT 4, 'orphans', thing, differs FROM orphans
        UNION ALL SELECT 5, 'duplicates', thing, differs FROM duplicates
        UNION ALL SELECT 6, 'read_state', thing, differs FROM read_state
        UNION ALL SELECT 7, 'unmigrated', thing, differs FROM unmigrated)
    SELECT listed.name, count(found.thing), count(*) FILTER (WHERE differs), count(*) FILTER (WHERE differs) = 0,
           min(found.thing) FILTER (WHERE differs)
      FROM (VALUES (1, 'counts'), (2, 'order'), (3, 'checksums'), (4, 'orphans'), (5, 'duplicates'),
                   (6, 'read_state'), (7, 'unmigrated')) AS listed (place, name)
      LEFT JOIN found USING (place)
     GROUP BY listed.place, listed.name
     ORDER BY listed.place
$$;
