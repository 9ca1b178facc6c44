-- purpose: When each conversation was last written to, on full pages and on pages with room for new versions.
CREATE TABLE laboratory_activity_full (id uuid PRIMARY KEY, last_message_at timestamptz) WITH (fillfactor = 100);
CREATE TABLE laboratory_activity_roomy (id uuid PRIMARY KEY, last_message_at timestamptz) WITH (fillfactor = 85);
INSERT INTO laboratory_activity_full SELECT id, last_message_at FROM conversations;
INSERT INTO laboratory_activity_roomy SELECT id, last_message_at FROM conversations;
GRANT SELECT, UPDATE ON laboratory_activity_full, laboratory_activity_roomy TO authenticated;
ANALYZE laboratory_activity_full, laboratory_activity_roomy;
