-- purpose: One probe per row by a scalar subquery: the server's own form.
ALTER POLICY conversations_select ON conversations USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group' AND (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = conversations.id)));
ALTER POLICY participants_select ON conversation_participants USING (
    (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    OR (SELECT conversation_participants.left_at IS NULL FROM chatbench.my_memberships m
         WHERE m.conversation_id = conversation_participants.conversation_id));
ALTER POLICY messages_select ON chat_messages USING (
    (SELECT true FROM chatbench.my_memberships m WHERE m.conversation_id = chat_messages.conversation_id));
