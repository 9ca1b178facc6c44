-- purpose: Who may see and do what: row-level security for conversations, participants and messages.

-- A policy on the membership table that reads the membership table recurses without end (error 42P17). This view
-- breaks the loop: it reads with its owner's rights, and shows each caller the memberships of their own, no more.
-- security_barrier keeps a caller's functions from seeing other rows before they are filtered out.
--
-- Policies ask it as a scalar subquery, one index probe per row, flat in the number of memberships. Measured on
-- PostgreSQL 18, p50 against no RLS, users with 40 | 10 000 memberships:
--                                 scalar subquery     EXISTS, IN           SECURITY DEFINER function
--   page of 50 messages           1.1 | 2.1           0.5 | 9-10           1.8 | 2.3
--   1 000 members of a group      3.5 | 3.1           1.2 | 5              13 | 13
--   conversation list             1.3 | 2.1           1.2 | 1.5            1.5 | 6.6
--   one conversation              1.3 | 1.3           1.2 | 14-19          1.1 | 1.3
-- EXISTS and IN become a hash of all memberships, which costs 4 ms whenever there are 10 000 of them.
CREATE VIEW chatbench.my_memberships WITH (security_barrier) AS
    SELECT conversation_id
      FROM public.conversation_participants
     WHERE user_id = (SELECT auth.uid()) AND left_at IS NULL;

GRANT USAGE ON SCHEMA public, chatbench TO authenticated;
GRANT SELECT ON users, conversations, conversation_participants, chat_messages TO authenticated;
GRANT SELECT ON chatbench.my_memberships, chatbench.dataset TO authenticated;
-- Everything else about a message is the server's: seq and created_at come from the trigger.
GRANT INSERT (conversation_id, sender_id, content, client_id) ON chat_messages TO authenticated;
-- Who may execute a trigger function may hang it on a table of their own, and take seqs with it.
REVOKE EXECUTE ON FUNCTION chatbench.assign_seq() FROM PUBLIC;

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversation_participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY conversations_select ON conversations FOR SELECT TO authenticated USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group'
        AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = conversations.id)));

CREATE POLICY participants_select ON conversation_participants FOR SELECT TO authenticated USING (
    user_id = (SELECT auth.uid())
    OR (SELECT true FROM chatbench.my_memberships m
         WHERE m.conversation_id = conversation_participants.conversation_id));

CREATE POLICY messages_select ON chat_messages FOR SELECT TO authenticated USING (
    (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id));

CREATE POLICY messages_insert ON chat_messages FOR INSERT TO authenticated WITH CHECK (
    sender_id = (SELECT auth.uid())
    AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id));

-- Conversations are made by the two functions below and in no other way: a policy on INSERT would have to
-- trust the caller for who else is in and with which role.

CREATE FUNCTION chatbench.create_direct_conversation(other uuid)
RETURNS TABLE (
    id uuid, type text, name text, participant1_id uuid, participant2_id uuid, created_by uuid,
    created_at timestamptz, last_message_at timestamptz, last_seq bigint, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me uuid := auth.uid();
    made uuid;
BEGIN
    IF me IS NULL OR other IS NULL OR me = other THEN
        RAISE check_violation USING MESSAGE = 'a direct conversation has two different participants';
    END IF;
    -- Two sides at once: the second waits for the first one's commit here, and then finds its row.
    INSERT INTO public.conversations (type, participant1_id, participant2_id, created_by)
    VALUES ('direct', least(me, other), greatest(me, other), me)
    ON CONFLICT (participant1_id, participant2_id) DO NOTHING
    RETURNING id INTO made;
    IF made IS NOT NULL THEN
        INSERT INTO public.conversation_participants (conversation_id, user_id)
        VALUES (made, me), (made, other);
    END IF;
    RETURN QUERY
        SELECT c.id, c.type, c.name, c.participant1_id, c.participant2_id, c.created_by, c.created_at,
               c.last_message_at, c.last_seq, made IS NOT NULL
          FROM public.conversations c
         WHERE c.participant1_id = least(me, other) AND c.participant2_id = greatest(me, other);
END
$$;

CREATE FUNCTION chatbench.create_group_conversation(group_name text, others uuid[])
RETURNS TABLE (
    id uuid, type text, name text, participant1_id uuid, participant2_id uuid, created_by uuid,
    created_at timestamptz, last_message_at timestamptz, last_seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me uuid := auth.uid();
    made uuid;
BEGIN
    IF me IS NULL THEN
        RAISE check_violation USING MESSAGE = 'a group has an owner';
    END IF;
    INSERT INTO public.conversations (type, name, created_by)
    VALUES ('group', group_name, me)
    RETURNING id INTO made;
    INSERT INTO public.conversation_participants (conversation_id, user_id, role)
    VALUES (made, me, 'owner');
    INSERT INTO public.conversation_participants (conversation_id, user_id)
    SELECT DISTINCT made, member FROM unnest(others) AS member WHERE member <> me;
    RETURN QUERY
        SELECT c.id, c.type, c.name, c.participant1_id, c.participant2_id, c.created_by, c.created_at,
               c.last_message_at, c.last_seq
          FROM public.conversations c
         WHERE c.id = made;
END
$$;

REVOKE EXECUTE ON FUNCTION chatbench.create_direct_conversation(uuid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION chatbench.create_group_conversation(text, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chatbench.create_direct_conversation(uuid) TO authenticated;
GRANT EXECUTE ON FUNCTION chatbench.create_group_conversation(text, uuid[]) TO authenticated;
