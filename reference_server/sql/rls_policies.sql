-- purpose: Who may see and do what: row-level security for conversations, participants and messages.

-- SECURITY DEFINER breaks the loop of a membership policy that reads the membership table (error 42P17).
CREATE FUNCTION chatbench.is_member(conversation uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM public.conversation_participants
         WHERE conversation_id = conversation AND user_id = auth.uid() AND left_at IS NULL)
$$;

GRANT USAGE ON SCHEMA public, chatbench TO authenticated;
GRANT SELECT ON users, conversations, conversation_participants, chat_messages TO authenticated;
-- Everything else about a message is the server's: seq and created_at come from the trigger.
GRANT INSERT (conversation_id, sender_id, content, client_id) ON chat_messages TO authenticated;

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversation_participants ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY conversations_select ON conversations FOR SELECT TO authenticated USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group' AND chatbench.is_member(id)));

CREATE POLICY participants_select ON conversation_participants FOR SELECT TO authenticated USING (
    user_id = (SELECT auth.uid()) OR chatbench.is_member(conversation_id));

CREATE POLICY messages_select ON chat_messages FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM conversation_participants p
     WHERE p.conversation_id = chat_messages.conversation_id
       AND p.user_id = (SELECT auth.uid()) AND p.left_at IS NULL));

CREATE POLICY messages_insert ON chat_messages FOR INSERT TO authenticated WITH CHECK (
    sender_id = (SELECT auth.uid()) AND chatbench.is_member(conversation_id));
