-- purpose: Who is typing and who is present, as tables: what the server may keep beside its memory, with policies.

-- Both are UNLOGGED: what they hold is true for seconds, and is not worth a log that replicas and recovery read.
-- Measured for heartbeats: 38 k/s against 13 k/s. The price: both are empty after a crash of the database, and are
-- not there on a replica. The server writes them anew after a failure.

CREATE UNLOGGED TABLE user_presence (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('online', 'away', 'offline')),
    -- Grows by one with each change of the merged status while the server runs.
    version bigint NOT NULL CHECK (version >= 0),
    last_seen_at timestamptz
    -- No index on last_seen_at: with one, no heartbeat is a HOT update any more (97 % without).
) WITH (fillfactor = 70);

-- No foreign keys: each start would lock the conversation's row, which every send of a busy room updates. The policy
-- below lets in members only, and membership has its foreign keys.
CREATE UNLOGGED TABLE typing_indicators (
    conversation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITH (fillfactor = 70);

GRANT SELECT ON user_presence, typing_indicators TO authenticated;
GRANT INSERT (user_id, status, version, last_seen_at) ON user_presence TO authenticated;
GRANT UPDATE (status, version, last_seen_at) ON user_presence TO authenticated;
GRANT INSERT (conversation_id, user_id, expires_at), UPDATE (expires_at) ON typing_indicators TO authenticated;

ALTER TABLE user_presence ENABLE ROW LEVEL SECURITY;
ALTER TABLE typing_indicators ENABLE ROW LEVEL SECURITY;

-- Presence is visible to every authenticated user, as the directory of users is: a client shows it beside whomever it
-- lists, before there is a conversation with them, and the gateway lets anyone watch anyone. Who is not to be seen
-- sets `offline`.
CREATE POLICY presence_select ON user_presence FOR SELECT TO authenticated USING (true);
CREATE POLICY presence_insert ON user_presence FOR INSERT TO authenticated WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY presence_update ON user_presence FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));

-- Typing is visible to who is in the conversation now, until it expires. One's own row stays visible to oneself, because
-- ON CONFLICT has to see what it writes over: a start that follows an expired one would be refused.
CREATE POLICY typing_select ON typing_indicators FOR SELECT TO authenticated USING (
    (user_id = (SELECT auth.uid()) OR expires_at > clock_timestamp())
    AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = typing_indicators.conversation_id));

-- Only members announce, only for themselves, and for no longer than a minute at a time: nobody types for ever.
CREATE POLICY typing_insert ON typing_indicators FOR INSERT TO authenticated WITH CHECK (
    user_id = (SELECT auth.uid())
    AND expires_at <= clock_timestamp() + interval '1 minute'
    AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = typing_indicators.conversation_id));
CREATE POLICY typing_update ON typing_indicators FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()))
    WITH CHECK (
        user_id = (SELECT auth.uid())
        AND expires_at <= clock_timestamp() + interval '1 minute'
        AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = typing_indicators.conversation_id));

-- Not by a DELETE of the user's own: that right is to the whole table, and lets its holder lock it against everyone.
CREATE FUNCTION chatbench.end_typing(conversation uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM public.typing_indicators t
     WHERE t.conversation_id = conversation AND t.user_id = (SELECT auth.uid())
$$;
REVOKE EXECUTE ON FUNCTION chatbench.end_typing(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chatbench.end_typing(uuid) TO authenticated;
