-- purpose: The older schema that the roadmap migrates from, and the record of the way over.

CREATE TABLE connection_requests (
    id uuid NOT NULL DEFAULT uuidv7(),
    sender_id uuid NOT NULL,
    receiver_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'declined')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT connection_requests_not_oneself CHECK (sender_id <> receiver_id)
);

CREATE TABLE messages (
    id uuid NOT NULL DEFAULT uuidv7(),
    connection_request_id uuid NOT NULL,
    sender_id uuid NOT NULL,
    -- As long as a message of the new chat; '' is what is left of a message that was deleted there.
    content text NOT NULL CHECK (length(content) <= 4000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz
);

-- Where the migration is. One row; whoever continues a killed backfill starts from it.
CREATE TABLE chatbench.migration_state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    phase text NOT NULL DEFAULT 'off' CHECK (phase IN ('off', 'running', 'paused', 'complete', 'rolled_back')),
    -- Of the users, by a stable hash, who are sent to the new chat.
    rollout_percentage integer NOT NULL DEFAULT 0 CHECK (rollout_percentage BETWEEN 0 AND 100),
    -- The throttle: a pause after each batch of whole connections with at least so many messages.
    batch_messages integer NOT NULL DEFAULT 500 CHECK (batch_messages > 0),
    pause_seconds double precision NOT NULL DEFAULT 0.05 CHECK (pause_seconds BETWEEN 0 AND 60),
    -- The connection that the backfill has come to; connections are visited in the order of their ids.
    reached_connection_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    connections_copied bigint NOT NULL DEFAULT 0,
    messages_copied bigint NOT NULL DEFAULT 0,
    started_at timestamptz,
    ended_at timestamptz
);
INSERT INTO chatbench.migration_state DEFAULT VALUES;

-- Whoever copies holds a lock on this view. The app role has no right to it, and so cannot hold the backfill up.
CREATE VIEW chatbench.backfill_turn AS SELECT 1 AS turn;

-- Which conversation a connection has become. Several connections of one pair become one conversation.
CREATE TABLE chatbench.migrated_connections (
    connection_request_id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    -- Messages of the new chat are written to this connection of the pair.
    is_home boolean NOT NULL,
    -- Everything of the connection is in the conversation, and what is sent to it from now on goes there too. A roll
    -- back ends that; the next start makes up for what came in between.
    is_current boolean NOT NULL DEFAULT false,
    migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX migrated_connections_conversation ON chatbench.migrated_connections (conversation_id);
CREATE UNIQUE INDEX migrated_connections_home ON chatbench.migrated_connections (conversation_id) WHERE is_home;
