-- purpose: Who may see and do what in the older schema and in the migration; and the triggers of the dual write.

GRANT SELECT ON connection_requests, messages, chatbench.migrated_connections TO authenticated;
GRANT SELECT (phase, rollout_percentage) ON chatbench.migration_state TO authenticated;
GRANT INSERT (sender_id, receiver_id) ON connection_requests TO authenticated;
GRANT UPDATE (status) ON connection_requests TO authenticated;
GRANT INSERT (connection_request_id, sender_id, content) ON messages TO authenticated;

ALTER TABLE connection_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE chatbench.migrated_connections ENABLE ROW LEVEL SECURITY;

CREATE POLICY connection_requests_select ON connection_requests FOR SELECT TO authenticated USING (
    sender_id = (SELECT auth.uid()) OR receiver_id = (SELECT auth.uid()));
CREATE POLICY connection_requests_insert ON connection_requests FOR INSERT TO authenticated WITH CHECK (
    sender_id = (SELECT auth.uid()));
-- The one who was asked answers, once.
CREATE POLICY connection_requests_update ON connection_requests FOR UPDATE TO authenticated
    USING (receiver_id = (SELECT auth.uid()) AND status = 'pending')
    WITH CHECK (receiver_id = (SELECT auth.uid()) AND status IN ('accepted', 'declined'));

-- The subqueries are bound by the policy above: they find one's own connections only.
CREATE POLICY legacy_messages_select ON messages FOR SELECT TO authenticated USING (
    (SELECT true FROM connection_requests r WHERE r.id = messages.connection_request_id));
CREATE POLICY legacy_messages_insert ON messages FOR INSERT TO authenticated WITH CHECK (
    sender_id = (SELECT auth.uid())
    AND content <> ''
    AND (SELECT r.status = 'accepted' FROM connection_requests r WHERE r.id = messages.connection_request_id));
CREATE POLICY migrated_connections_select ON chatbench.migrated_connections FOR SELECT TO authenticated USING (
    (SELECT true FROM connection_requests r WHERE r.id = migrated_connections.connection_request_id));

-- Functions are everyone's unless that is taken back.
REVOKE EXECUTE ON FUNCTION
    chatbench.mark_legacy_copies_read(uuid, uuid, bigint, bigint), chatbench.fill_legacy(uuid),
    chatbench.enter_copying(), chatbench.copy_connection(uuid), chatbench.place_legacy_message(),
    chatbench.mirror_to_chat(), chatbench.mirror_to_legacy(), chatbench.mirror_edit_to_legacy(),
    chatbench.mirror_read_to_legacy(),
    chatbench.map_accepted_connection(), public.get_conversation_by_connection_id(uuid),
    chatbench.mark_legacy_read(uuid), chatbench.backfill_connection(uuid), chatbench.finish_backfill(),
    chatbench.change_migration(text), chatbench.set_rollout(integer), public.verify_migration()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.get_conversation_by_connection_id(uuid), chatbench.mark_legacy_read(uuid)
    TO authenticated;

CREATE TRIGGER place_legacy_message BEFORE INSERT ON messages
    FOR EACH ROW EXECUTE FUNCTION chatbench.place_legacy_message();
CREATE TRIGGER mirror_to_chat AFTER INSERT ON messages
    FOR EACH ROW EXECUTE FUNCTION chatbench.mirror_to_chat();
-- A copy carries its own id as client_id, and is there already.
CREATE TRIGGER mirror_to_legacy AFTER INSERT ON chat_messages
    FOR EACH ROW WHEN (NEW.client_id <> NEW.id) EXECUTE FUNCTION chatbench.mirror_to_legacy();
CREATE TRIGGER mirror_edit_to_legacy AFTER UPDATE ON chat_messages
    FOR EACH ROW WHEN (NEW.content <> OLD.content) EXECUTE FUNCTION chatbench.mirror_edit_to_legacy();
CREATE TRIGGER mirror_read_to_legacy AFTER UPDATE OF last_read_seq ON conversation_participants
    FOR EACH ROW WHEN (NEW.last_read_seq > OLD.last_read_seq) EXECUTE FUNCTION chatbench.mirror_read_to_legacy();
CREATE TRIGGER map_new_connection AFTER INSERT ON connection_requests
    FOR EACH ROW WHEN (NEW.status = 'accepted') EXECUTE FUNCTION chatbench.map_accepted_connection();
CREATE TRIGGER map_accepted_connection AFTER UPDATE ON connection_requests
    FOR EACH ROW WHEN (NEW.status = 'accepted' AND OLD.status <> 'accepted')
    EXECUTE FUNCTION chatbench.map_accepted_connection();
