-- purpose: Who was last seen when, in tables of three kinds, one row for every user in each.
CREATE TABLE laboratory_presence_logged (user_id uuid PRIMARY KEY, last_seen timestamptz NOT NULL);
CREATE UNLOGGED TABLE laboratory_presence_unlogged (user_id uuid PRIMARY KEY, last_seen timestamptz NOT NULL);
CREATE TABLE laboratory_presence_indexed (user_id uuid PRIMARY KEY, last_seen timestamptz NOT NULL);
CREATE INDEX laboratory_presence_last_seen ON laboratory_presence_indexed (last_seen);
INSERT INTO laboratory_presence_logged SELECT id, created_at FROM users;
INSERT INTO laboratory_presence_unlogged SELECT id, created_at FROM users;
INSERT INTO laboratory_presence_indexed SELECT id, created_at FROM users;
GRANT SELECT, INSERT, UPDATE
   ON laboratory_presence_logged, laboratory_presence_unlogged, laboratory_presence_indexed TO authenticated;
ANALYZE laboratory_presence_logged, laboratory_presence_unlogged, laboratory_presence_indexed;
