-- purpose: IN over the list of the caller's memberships.
ALTER POLICY conversations_select ON conversations USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group' AND conversations.id IN (SELECT m.conversation_id FROM chatbench.my_memberships m)));
ALTER POLICY participants_select ON conversation_participants USING (
    (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    OR conversation_participants.conversation_id IN (SELECT m.conversation_id FROM chatbench.my_memberships m));
ALTER POLICY messages_select ON chat_messages USING (
    chat_messages.conversation_id IN (SELECT m.conversation_id FROM chatbench.my_memberships m));
