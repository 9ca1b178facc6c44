-- purpose: Roles, tables and functions of the chat; keys and triggers come in constraints.sql, after loading.

-- Supabase-shaped: policies name the role `authenticated` and read the caller from auth.uid().
DO $$
BEGIN
    -- Roles belong to the cluster, so two databases may create them at the same moment; whoever comes second waits
    -- for the first one's commit and then finds the role whole. (Advisory locks do not reach across databases.)
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'authenticated') THEN
        BEGIN
            CREATE ROLE authenticated NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    -- The server's pool logs in as chatbench_app and acts as `authenticated`: RLS binds it.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chatbench_app') THEN
        BEGIN
            CREATE ROLE chatbench_app LOGIN NOINHERIT;
            GRANT authenticated TO chatbench_app;
            ALTER ROLE chatbench_app SET role = 'authenticated';
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
END
$$;

-- PostgreSQL 18 brings uuidv7(); older ones get it here: 48 bits of milliseconds, then random (RFC 9562).
DO $$
BEGIN
    IF to_regprocedure('pg_catalog.uuidv7()') IS NULL THEN
        CREATE FUNCTION public.uuidv7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
            SELECT encode(
                set_bit(
                    set_bit(
                        overlay(
                            uuid_send(gen_random_uuid())
                            PLACING substring(
                                int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                            FROM 1 FOR 6),
                        52, 1),
                    53, 1),
                'hex')::uuid
        $body$;
    END IF;
END
$$;

CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO authenticated;

CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid
$$;

-- Marks the database as one that chatbench made, and keeps the manifest of what was loaded.
CREATE SCHEMA chatbench;
CREATE TABLE chatbench.dataset (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    manifest jsonb NOT NULL
);

-- The server process of this database holds a lock on this view, so that a second one can tell that it is not alone.
CREATE VIEW chatbench.server_turn AS SELECT 1 AS turn;
-- Whoever builds or drops indexes holds a lock on this one.
CREATE VIEW chatbench.index_turn AS SELECT 1 AS turn;

CREATE TABLE users (
    id uuid NOT NULL DEFAULT uuidv7(),
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE conversations (
    id uuid NOT NULL DEFAULT uuidv7(),
    type text NOT NULL CHECK (type IN ('direct', 'group')),
    -- Direct conversations only, ordered, so that one pair has one row.
    participant1_id uuid,
    participant2_id uuid,
    -- Groups only.
    name text CHECK (length(name) BETWEEN 1 AND 100),
    description text CHECK (length(description) BETWEEN 1 AND 500),
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Equals created_at until the first message, so that the list's order never meets a null.
    last_message_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The newest message's seq; 0 before the first. Sends take the next one under this row's lock.
    last_seq bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    CONSTRAINT conversations_shape CHECK (
        CASE type
            WHEN 'direct' THEN participant1_id < participant2_id AND name IS NULL AND description IS NULL
            ELSE participant1_id IS NULL AND participant2_id IS NULL AND name IS NOT NULL
        END
    )
);

CREATE TABLE conversation_participants (
    conversation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin', 'owner')),
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    left_at timestamptz,
    -- The watermark: everything up to it is read, one's own messages included.
    last_read_seq bigint NOT NULL DEFAULT 0 CHECK (last_read_seq >= 0),
    -- The conversation's own: "my groups" must not look at every direct conversation to leave it out.
    conversation_type text NOT NULL CHECK (conversation_type IN ('direct', 'group'))
);

CREATE TABLE chat_messages (
    id uuid NOT NULL DEFAULT uuidv7(),
    conversation_id uuid NOT NULL,
    -- Gap-free from 1 in each conversation.
    seq bigint NOT NULL CHECK (seq > 0),
    sender_id uuid NOT NULL,
    content text NOT NULL,
    -- Chosen by the sender: a retried send carries it again and is the same message.
    client_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    edited_at timestamptz,
    deleted_at timestamptz,
    -- A deleted message leaves a tombstone: its seq stays, its content is gone.
    CONSTRAINT chat_messages_content CHECK (
        CASE WHEN deleted_at IS NULL THEN length(content) BETWEEN 1 AND 4000 ELSE content = '' END)
);

-- Takes the conversation's next seq under its row lock, and takes the sender's watermark along: who writes has read.
-- SECURITY DEFINER because members may send but may not write conversations. Who may send is asked here, after the
-- row lock is held: the policy on chat_messages judges by what the INSERT saw when it began, and may have waited
-- for a removal meanwhile. No conversation and none of one's own are refused alike.
CREATE FUNCTION chatbench.assign_seq() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A copy from the older schema comes with its seq and its time. Nobody else can write either: the app role
    -- has no grant on these columns.
    IF NEW.seq IS NOT NULL THEN
        RETURN NEW;
    END IF;
    UPDATE public.conversations
       SET last_seq = last_seq + 1, last_message_at = clock_timestamp()
     WHERE id = NEW.conversation_id
    RETURNING last_seq, last_message_at INTO NEW.seq, NEW.created_at;
    IF FOUND THEN
        UPDATE public.conversation_participants
           SET last_read_seq = NEW.seq
         WHERE conversation_id = NEW.conversation_id AND user_id = NEW.sender_id AND left_at IS NULL;
    END IF;
    IF NOT FOUND THEN
        RAISE insufficient_privilege
            USING MESSAGE = format('there is no conversation %s for the sender', NEW.conversation_id);
    END IF;
    RETURN NEW;
END
$$;

-- What an UPDATE of a message may mean: new content, or a tombstone. The times are the server's.
CREATE FUNCTION chatbench.mark_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.deleted_at := clock_timestamp();
        NEW.content := '';
    ELSE
        NEW.edited_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

-- A watermark never moves back, and never beyond the newest message, whoever writes it and in whichever order.
-- SECURITY DEFINER because it must see the conversation as it is, not as a policy shows it.
CREATE FUNCTION chatbench.keep_watermark() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT greatest(OLD.last_read_seq, least(NEW.last_read_seq, c.last_seq)) INTO NEW.last_read_seq
      FROM public.conversations c
     WHERE c.id = NEW.conversation_id;
    RETURN NEW;
END
$$;
