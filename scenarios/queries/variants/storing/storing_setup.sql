-- purpose: The newest 20 000 messages (a guess) under other keys and in partitions; same columns, nobody's policies.
CREATE TABLE laboratory_messages_by_time (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL, sender_id uuid, content text, created_at timestamptz NOT NULL);
CREATE TABLE laboratory_messages_by_chance (LIKE laboratory_messages_by_time INCLUDING INDEXES);
CREATE TABLE laboratory_messages_in_parts (LIKE laboratory_messages_by_time, PRIMARY KEY (conversation_id, id))
    PARTITION BY HASH (conversation_id);
CREATE TABLE laboratory_messages_part_0 PARTITION OF laboratory_messages_in_parts FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE laboratory_messages_part_1 PARTITION OF laboratory_messages_in_parts FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE laboratory_messages_part_2 PARTITION OF laboratory_messages_in_parts FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE laboratory_messages_part_3 PARTITION OF laboratory_messages_in_parts FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO laboratory_messages_by_time
SELECT id, conversation_id, sender_id, content, created_at
  FROM (SELECT * FROM chat_messages ORDER BY created_at DESC, id LIMIT 20000) AS newest
 ORDER BY created_at;
INSERT INTO laboratory_messages_by_chance
SELECT md5(id::text)::uuid, conversation_id, sender_id, content, created_at FROM laboratory_messages_by_time;
INSERT INTO laboratory_messages_in_parts SELECT * FROM laboratory_messages_by_time;
CREATE INDEX laboratory_messages_by_time_page ON laboratory_messages_by_time (conversation_id, created_at);
CREATE INDEX laboratory_messages_by_chance_page ON laboratory_messages_by_chance (conversation_id, created_at);
CREATE INDEX laboratory_messages_in_parts_page ON laboratory_messages_in_parts (conversation_id, created_at);
GRANT SELECT, INSERT
   ON laboratory_messages_by_time, laboratory_messages_by_chance, laboratory_messages_in_parts TO authenticated;
ANALYZE laboratory_messages_by_time, laboratory_messages_by_chance, laboratory_messages_in_parts;
