-- purpose: ANY of an array of the caller's memberships, read once per statement.
ALTER POLICY conversations_select ON conversations USING (
    participant1_id = (SELECT auth.uid())
    OR participant2_id = (SELECT auth.uid())
    OR (type = 'group' AND conversations.id = ANY (ARRAY(SELECT m.conversation_id FROM chatbench.my_memberships m))));
ALTER POLICY participants_select ON conversation_participants USING (
    (user_id = (SELECT auth.uid()) AND left_at IS NULL)
    OR conversation_participants.conversation_id = ANY (ARRAY(SELECT m.conversation_id FROM chatbench.my_memberships m)));
ALTER POLICY messages_select ON chat_messages USING (
    chat_messages.conversation_id = ANY (ARRAY(SELECT m.conversation_id FROM chatbench.my_memberships m)));
