-- purpose: The older schema that the roadmap migrates from, as its rows are found.

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
    content text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at timestamptz
);
