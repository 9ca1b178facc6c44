-- purpose: Who may see and do what: row-level security for conversations, participants and messages.

-- A policy on the membership table that reads the membership table recurses without end (error 42P17). This view
-- breaks the loop: it reads with its owner's rights, and shows each caller the memberships of their own, no more.
-- security_barrier keeps a caller's functions from seeing other rows before they are filtered out.
--
-- Policies ask it as a scalar subquery, one index probe per row, flat in the number of memberships. Measured once on
-- PostgreSQL 18 to choose among the forms, p50 as multiples of no RLS, users with 40 | 10 000 memberships. Read it across;
-- what the chosen form costs a page is measured again by the benchmarks: 1.4 | 1.4 (docs/benchmarks.md).
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
-- The directory of users is everyone's: `GET /v1/users` shows all of it, column by column.
GRANT SELECT ON users, conversations, conversation_participants, chat_messages TO authenticated;
GRANT SELECT ON chatbench.my_memberships, chatbench.dataset TO authenticated;
-- Everything else about a message is the server's: seq and created_at come from the trigger.
GRANT INSERT (conversation_id, sender_id, content, client_id) ON chat_messages TO authenticated;
-- Who may execute a trigger function may hang it on a table of their own, and take seqs with it.
REVOKE EXECUTE ON FUNCTION chatbench.assign_seq(), chatbench.keep_watermark() FROM PUBLIC;
-- Content and tombstone, nothing else; a trigger sets the times.
GRANT UPDATE (content, deleted_at) ON chat_messages TO authenticated;
-- One's watermark, which a trigger keeps from moving back. Everything else about a participant is groups.sql's.
GRANT UPDATE (last_read_seq) ON conversation_participants TO authenticated;

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversation_participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY conversations_select ON conversations FOR SELECT TO authenticated USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group'
        AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = conversations.id)));

-- One's own row needs no probe: a list of conversations reads it for each. Who has left sees not even that, and is seen
-- by nobody: that they were there once is not told by the API either. That is asked inside the subquery, because outside
-- it the planner takes it for a filter of every row, and reads all memberships of a user for a list of 20.
CREATE POLICY participants_select ON conversation_participants FOR SELECT TO authenticated USING (
    (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    OR (SELECT conversation_participants.left_at IS NULL FROM chatbench.my_memberships m
         WHERE m.conversation_id = conversation_participants.conversation_id));

CREATE POLICY messages_select ON chat_messages FOR SELECT TO authenticated USING (
    (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id));

CREATE POLICY messages_insert ON chat_messages FOR INSERT TO authenticated WITH CHECK (
    sender_id = (SELECT auth.uid())
    AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id));

-- Who wrote a message may change it while they are in the conversation. A tombstone stays as it is.
CREATE POLICY messages_update ON chat_messages FOR UPDATE TO authenticated
    USING (
        sender_id = (SELECT auth.uid())
        AND deleted_at IS NULL
        AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id))
    WITH CHECK (sender_id = (SELECT auth.uid()));

CREATE POLICY participants_read ON conversation_participants FOR UPDATE TO authenticated
    USING (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    WITH CHECK (user_id = (SELECT auth.uid()) AND left_at IS NULL);
