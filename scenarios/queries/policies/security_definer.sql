-- purpose: A SECURITY DEFINER function per row, as is_member(conversation) is usually written.
CREATE FUNCTION chatbench.is_own_conversation(asked_id uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM public.conversation_participants p
         WHERE p.conversation_id = asked_id AND p.user_id = auth.uid() AND p.left_at IS NULL)
$$;
ALTER POLICY conversations_select ON conversations USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group' AND chatbench.is_own_conversation(conversations.id)));
ALTER POLICY participants_select ON conversation_participants USING (
    (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    OR chatbench.is_own_conversation(conversation_participants.conversation_id));
ALTER POLICY messages_select ON chat_messages USING (
    chatbench.is_own_conversation(chat_messages.conversation_id));
