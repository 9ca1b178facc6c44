-- purpose: The way from the older schema to the new one and back: copying, dual write, and what operators command.

-- A message has the same id in both schemas. That makes every direction idempotent, ends the recursion of the dual
-- write, and turns verification into a join.
--
-- Locks are taken in one order, whoever takes them: connection, conversation, participants, messages of the older
-- schema; then the record of the migration. Copying locks the connection with an UPDATE, not with SELECT FOR UPDATE:
-- it does not stand in the way of foreign keys (a mirrored message has one on the connection, and its sender holds the
-- conversation already), and a REPEATABLE READ transaction that began before it fails instead of deciding from the past.
--
-- Copying and going back exclude each other by a lock on the table of mappings, which going back takes before anything
-- else. Sends take none of it, in either chat, and no user can take it but by copying.

-- Marks as read in the older schema what a watermark covers in the new one.
CREATE FUNCTION chatbench.mark_legacy_copies_read(conversation uuid, reader uuid, after_seq bigint, through_seq bigint)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE public.messages l
       SET read_at = clock_timestamp()
      FROM public.chat_messages m
     WHERE m.conversation_id = conversation AND m.seq > after_seq AND m.seq <= through_seq AND m.sender_id <> reader
       AND l.id = m.id AND l.read_at IS NULL
$$;

-- Gives the older schema whatever a mapped conversation holds and it lacks. The new chat has the last word on content:
-- only there can a message be changed.
CREATE FUNCTION chatbench.fill_legacy(conversation uuid)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    filled bigint;
BEGIN
    INSERT INTO public.messages (id, connection_request_id, sender_id, content, created_at, read_at)
    SELECT m.id, home.connection_request_id, m.sender_id, m.content, m.created_at,
           CASE WHEN reader.last_read_seq >= m.seq THEN clock_timestamp() END
      FROM chatbench.migrated_connections home
      JOIN public.chat_messages m ON m.conversation_id = home.conversation_id
      JOIN public.conversation_participants reader
        ON reader.conversation_id = m.conversation_id AND reader.user_id <> m.sender_id
     WHERE home.conversation_id = conversation AND home.is_home
       AND NOT EXISTS (SELECT FROM public.messages l WHERE l.id = m.id)
    ON CONFLICT (id) DO NOTHING;
    GET DIAGNOSTICS filled = ROW_COUNT;
    UPDATE public.messages l
       SET content = m.content
      FROM public.chat_messages m
     WHERE m.conversation_id = conversation AND l.id = m.id AND l.content <> m.content;
    RETURN filled;
END
$$;

-- To be asked before copying: the phase, which until the end of the transaction no roll back and no abort changes.
CREATE FUNCTION chatbench.enter_copying()
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    phase_now text;
BEGIN
    LOCK TABLE chatbench.migrated_connections IN ROW EXCLUSIVE MODE;
    SELECT s.phase INTO phase_now FROM chatbench.migration_state s;  -- by a snapshot that is younger than the lock
    IF phase_now IN ('running', 'paused', 'complete')
        AND current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE feature_not_supported
            USING MESSAGE = 'a connection becomes a conversation in READ COMMITTED only, which sees a roll back';
    END IF;
    RETURN phase_now;
END
$$;

-- Copies one accepted connection whole. Whoever comes second waits, and finds it done.
CREATE FUNCTION chatbench.copy_connection(wanted uuid)
RETURNS TABLE (conversation_id uuid, messages_copied bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    request public.connection_requests;
    mapping chatbench.migrated_connections;
    conversation uuid;
    reader record;
    copied bigint;
BEGIN
    UPDATE public.connection_requests r SET status = r.status
     WHERE r.id = wanted AND r.status = 'accepted'
    RETURNING r.* INTO request;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO mapping FROM chatbench.migrated_connections WHERE connection_request_id = wanted;
    IF mapping.is_current THEN
        RETURN QUERY SELECT mapping.conversation_id, 0::bigint;
        RETURN;
    END IF;

    INSERT INTO public.conversations (type, participant1_id, participant2_id, created_by, created_at, last_message_at)
    VALUES ('direct', least(request.sender_id, request.receiver_id), greatest(request.sender_id, request.receiver_id),
            request.sender_id, request.created_at, request.created_at)
    ON CONFLICT (participant1_id, participant2_id) DO NOTHING
    RETURNING id INTO conversation;
    IF conversation IS NOT NULL THEN
        INSERT INTO public.conversation_participants (conversation_id, user_id, joined_at, conversation_type)
        VALUES (conversation, request.sender_id, request.created_at, 'direct'),
               (conversation, request.receiver_id, request.created_at, 'direct');
    ELSE
        SELECT id INTO conversation
          FROM public.conversations
         WHERE participant1_id = least(request.sender_id, request.receiver_id)
           AND participant2_id = greatest(request.sender_id, request.receiver_id);
    END IF;
    -- From here until the end nobody sends to the conversation and nobody reads in it.
    UPDATE public.conversations SET last_seq = last_seq WHERE id = conversation;
    PERFORM FROM public.conversation_participants p
      WHERE p.conversation_id = conversation ORDER BY user_id FOR NO KEY UPDATE;
    INSERT INTO chatbench.migrated_connections (connection_request_id, conversation_id, is_home)
    VALUES (wanted, conversation, NOT EXISTS (
        SELECT FROM chatbench.migrated_connections g WHERE g.conversation_id = conversation AND g.is_home))
    ON CONFLICT (connection_request_id) DO NOTHING;

    INSERT INTO public.chat_messages
           (id, conversation_id, seq, sender_id, content, client_id, created_at, deleted_at)
    SELECT l.id, conversation, c.last_seq + row_number() OVER (ORDER BY l.created_at, l.id), l.sender_id, l.content,
           -- Somebody may have sent under this client_id already, knowing the id.
           CASE WHEN EXISTS (SELECT FROM public.chat_messages t WHERE t.sender_id = l.sender_id AND t.client_id = l.id)
                THEN gen_random_uuid() ELSE l.id END,
           l.created_at, CASE WHEN l.content = '' THEN l.created_at END
      FROM public.messages l
      JOIN public.conversations c ON c.id = conversation
     WHERE l.connection_request_id = wanted
       AND NOT EXISTS (SELECT FROM public.chat_messages m WHERE m.id = l.id)
     ORDER BY l.created_at, l.id;
    GET DIAGNOSTICS copied = ROW_COUNT;
    IF copied > 0 THEN
        UPDATE public.conversations c
           SET last_seq = c.last_seq + copied,
               last_message_at = greatest(
                   CASE WHEN c.last_seq > 0 THEN c.last_message_at END,
                   (SELECT max(l.created_at) FROM public.messages l WHERE l.connection_request_id = wanted))
         WHERE c.id = conversation;
    END IF;
    PERFORM chatbench.fill_legacy(conversation);

    -- Read is what was read on either side. The new chat knows one mark per reader: what lies below it is read.
    FOR reader IN SELECT p.user_id, p.last_read_seq FROM public.conversation_participants p
                   WHERE p.conversation_id = conversation ORDER BY p.user_id LOOP
        UPDATE public.conversation_participants p
           SET last_read_seq = newest.seq
          FROM (SELECT max(m.seq) AS seq
                  FROM public.messages l
                  JOIN public.chat_messages m ON m.id = l.id
                 WHERE l.connection_request_id = wanted AND m.conversation_id = conversation
                   AND (l.read_at IS NOT NULL OR l.sender_id = reader.user_id)) AS newest
         WHERE p.conversation_id = conversation AND p.user_id = reader.user_id AND newest.seq > p.last_read_seq;
        PERFORM chatbench.mark_legacy_copies_read(conversation, p.user_id, 0, p.last_read_seq)
           FROM public.conversation_participants p
          WHERE p.conversation_id = conversation AND p.user_id = reader.user_id;
    END LOOP;

    UPDATE chatbench.migrated_connections SET is_current = true, migrated_at = clock_timestamp()
     WHERE connection_request_id = wanted;
    RETURN QUERY SELECT conversation, copied;
END
$$;

-- --- dual write -----------------------------------------------------------------------------------------------

-- Before a message of the older chat is stored: waits for a copying of its connection, and only then decides where the
-- message belongs. Under the conversation's lock, times ascend with seqs whichever chat a message comes from.
CREATE FUNCTION chatbench.place_legacy_message() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    conversation uuid;
BEGIN
    -- Comes from the new chat, whose sender holds the conversation's lock already. The app role cannot choose ids.
    IF EXISTS (SELECT FROM public.chat_messages m WHERE m.id = NEW.id) THEN
        RETURN NEW;
    END IF;
    PERFORM FROM public.connection_requests r WHERE r.id = NEW.connection_request_id FOR SHARE;
    SELECT g.conversation_id INTO conversation
      FROM chatbench.migrated_connections g
     WHERE g.connection_request_id = NEW.connection_request_id AND g.is_current;
    IF FOUND THEN
        PERFORM FROM public.conversations c WHERE c.id = conversation FOR NO KEY UPDATE;
        NEW.created_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION chatbench.mirror_to_chat() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    conversation uuid;
    next_seq bigint;
BEGIN
    SELECT g.conversation_id INTO conversation
      FROM chatbench.migrated_connections g
     WHERE g.connection_request_id = NEW.connection_request_id AND g.is_current;
    IF NOT FOUND OR EXISTS (SELECT FROM public.chat_messages m WHERE m.id = NEW.id) THEN
        RETURN NULL;
    END IF;
    UPDATE public.conversations c
       SET last_seq = c.last_seq + 1, last_message_at = greatest(c.last_message_at, NEW.created_at)
     WHERE c.id = conversation
    RETURNING c.last_seq INTO next_seq;
    INSERT INTO public.chat_messages
           (id, conversation_id, seq, sender_id, content, client_id, created_at, deleted_at)
    VALUES (NEW.id, conversation, next_seq, NEW.sender_id, NEW.content,
            CASE WHEN EXISTS (SELECT FROM public.chat_messages t
                               WHERE t.sender_id = NEW.sender_id AND t.client_id = NEW.id)
                 THEN gen_random_uuid() ELSE NEW.id END,
            NEW.created_at, CASE WHEN NEW.content = '' THEN NEW.created_at END);
    -- Who writes has read: as in the new chat.
    UPDATE public.conversation_participants p
       SET last_read_seq = next_seq
     WHERE p.conversation_id = conversation AND p.user_id = NEW.sender_id AND p.last_read_seq < next_seq;
    RETURN NULL;
END
$$;

-- Not only while a migration runs, but for as long as the conversation is mapped: nothing that is sent to the new
-- chat is missing from the older one on the day of a roll back.
CREATE FUNCTION chatbench.mirror_to_legacy() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO public.messages (id, connection_request_id, sender_id, content, created_at)
    SELECT NEW.id, home.connection_request_id, NEW.sender_id, NEW.content, NEW.created_at
      FROM chatbench.migrated_connections home
     WHERE home.conversation_id = NEW.conversation_id AND home.is_home
    ON CONFLICT (id) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION chatbench.mirror_edit_to_legacy() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- A copy under way has read the words before the edit: wait for it, and only then ask whether there is a mapping.
    PERFORM FROM public.conversations c WHERE c.id = NEW.conversation_id FOR SHARE;
    IF EXISTS (SELECT FROM chatbench.migrated_connections g WHERE g.conversation_id = NEW.conversation_id) THEN
        UPDATE public.messages SET content = NEW.content WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION chatbench.mirror_read_to_legacy() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM chatbench.migrated_connections g WHERE g.conversation_id = NEW.conversation_id) THEN
        PERFORM chatbench.mark_legacy_copies_read(
            NEW.conversation_id, NEW.user_id, OLD.last_read_seq, NEW.last_read_seq);
    END IF;
    RETURN NULL;
END
$$;

-- A connection that is accepted after the start has nothing to be backfilled, and would be forgotten if it lay behind.
CREATE FUNCTION chatbench.map_accepted_connection() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF chatbench.enter_copying() IN ('running', 'paused', 'complete') THEN
        PERFORM chatbench.copy_connection(NEW.id);
    END IF;
    RETURN NULL;
END
$$;

-- --- what a user asks -----------------------------------------------------------------------------------------

CREATE FUNCTION public.get_conversation_by_connection_id(connection_request_id uuid)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    wanted ALIAS FOR $1;
    phase_now text := (SELECT s.phase FROM chatbench.migration_state s);
    mapping chatbench.migrated_connections;
    found_conversation uuid;
BEGIN
    IF phase_now NOT IN ('running', 'paused', 'complete') OR NOT EXISTS (
        SELECT FROM public.connection_requests r
         WHERE r.id = wanted AND auth.uid() IN (r.sender_id, r.receiver_id)) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO mapping FROM chatbench.migrated_connections g WHERE g.connection_request_id = wanted;
    IF mapping.is_current THEN
        RETURN mapping.conversation_id;
    END IF;
    IF phase_now <> 'paused' AND chatbench.enter_copying() IN ('running', 'complete') THEN
        SELECT c.conversation_id INTO found_conversation FROM chatbench.copy_connection(wanted) c;
    END IF;
    RETURN found_conversation;
END
$$;

-- Reading in the older chat: everything that the other one has sent, and the mark in the new chat with it.
-- A function and not an UPDATE of one's own: the mark is moved first, in the order of the locks above.
CREATE FUNCTION chatbench.mark_legacy_read(wanted uuid)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    me uuid := auth.uid();
    mapping chatbench.migrated_connections;
    newest_seq bigint := 0;
    unread bigint;
    marked bigint;
BEGIN
    PERFORM FROM public.connection_requests r
      WHERE r.id = wanted AND me IN (r.sender_id, r.receiver_id) FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO unread
      FROM public.messages l
     WHERE l.connection_request_id = wanted AND l.sender_id <> me AND l.read_at IS NULL;
    SELECT * INTO mapping FROM chatbench.migrated_connections g WHERE g.connection_request_id = wanted;
    IF NOT FOUND THEN
        UPDATE public.messages l SET read_at = clock_timestamp()
         WHERE l.connection_request_id = wanted AND l.sender_id <> me AND l.read_at IS NULL;
        GET DIAGNOSTICS marked = ROW_COUNT;
        RETURN marked;
    END IF;
    SELECT coalesce(max(m.seq), 0) INTO newest_seq
      FROM public.messages l
      JOIN public.chat_messages m ON m.id = l.id AND m.conversation_id = mapping.conversation_id
     WHERE l.connection_request_id = wanted AND l.sender_id <> me;
    UPDATE public.conversation_participants p SET last_read_seq = newest_seq
     WHERE p.conversation_id = mapping.conversation_id AND p.user_id = me AND p.last_read_seq < newest_seq;
    -- What has no copy yet is read here alone; a message that has just come in waits for the next reading.
    UPDATE public.messages l SET read_at = clock_timestamp()
     WHERE l.connection_request_id = wanted AND l.sender_id <> me AND l.read_at IS NULL
       AND NOT EXISTS (SELECT FROM public.chat_messages m WHERE m.id = l.id AND m.seq > newest_seq);
    RETURN unread;
END
$$;

-- --- what operators ask ---------------------------------------------------------------------------------------

-- One step of the backfill: a connection, and that it has been visited, in one transaction. None unless it shall work.
CREATE FUNCTION chatbench.backfill_connection(wanted uuid)
RETURNS TABLE (conversation_id uuid, messages_copied bigint, last_seq bigint, sender_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    copied record;
BEGIN
    IF chatbench.enter_copying() <> 'running' THEN
        RETURN;
    END IF;
    SELECT * INTO copied FROM chatbench.copy_connection(wanted);
    UPDATE chatbench.migration_state s
       SET reached_connection_id = wanted,
           connections_copied = s.connections_copied + (copied.conversation_id IS NOT NULL)::integer,
           messages_copied = s.messages_copied + coalesce(copied.messages_copied, 0);
    RETURN QUERY
        SELECT c.id, coalesce(copied.messages_copied, 0), c.last_seq, r.sender_id
          FROM public.conversations c
          JOIN public.connection_requests r ON r.id = wanted
         WHERE c.id = copied.conversation_id;
END
$$;

-- At the end of a pass: complete, or once more from the beginning for what was passed over while it was locked.
CREATE FUNCTION chatbench.finish_backfill()
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    phase_now text;
BEGIN
    IF EXISTS (SELECT FROM public.connection_requests r
                WHERE r.status = 'accepted' AND NOT EXISTS (
                    SELECT FROM chatbench.migrated_connections g
                     WHERE g.connection_request_id = r.id AND g.is_current)) THEN
        UPDATE chatbench.migration_state SET reached_connection_id = '00000000-0000-0000-0000-000000000000';
    ELSE
        UPDATE chatbench.migration_state SET phase = 'complete', ended_at = clock_timestamp() WHERE phase = 'running';
    END IF;
    SELECT s.phase INTO phase_now FROM chatbench.migration_state s;
    RETURN phase_now;
END
$$;

CREATE FUNCTION chatbench.change_migration(command text)
RETURNS SETOF chatbench.migration_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    phase_now text;
    is_possible boolean;
BEGIN
    IF command = 'start' THEN
        -- Whoever accepts a connection from now on sees that the migration runs, and maps it.
        LOCK TABLE public.connection_requests IN SHARE MODE;
    ELSIF command IN ('abort', 'roll_back') THEN
        -- What is being copied is committed before, and seen below; whoever comes to copy waits, and looks again.
        LOCK TABLE chatbench.migrated_connections IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    SELECT s.phase INTO phase_now FROM chatbench.migration_state s FOR UPDATE;  -- one command at a time
    is_possible := CASE command
        WHEN 'start' THEN phase_now IN ('off', 'rolled_back')
        WHEN 'pause' THEN phase_now = 'running'
        WHEN 'resume' THEN phase_now = 'paused'
        WHEN 'abort' THEN phase_now IN ('running', 'paused')
        WHEN 'roll_back' THEN phase_now IN ('running', 'paused', 'complete')
    END;
    IF is_possible IS NOT TRUE THEN
        RAISE SQLSTATE 'CB409' USING MESSAGE = format('the migration is %s; it cannot %s now', phase_now,
                                                      replace(command, '_', ' '));
    END IF;
    IF command IN ('abort', 'roll_back') THEN
        -- The older chat stands alone from here: it is given what it may lack, and does not write to the new one
        -- any more. The new chat goes on writing to it.
        PERFORM chatbench.fill_legacy(home.conversation_id)
           FROM chatbench.migrated_connections home WHERE home.is_home;
        UPDATE chatbench.migrated_connections SET is_current = false WHERE is_current;
    END IF;
    UPDATE chatbench.migration_state s
       SET phase = CASE command WHEN 'pause' THEN 'paused'
                                WHEN 'abort' THEN 'rolled_back' WHEN 'roll_back' THEN 'rolled_back'
                                ELSE 'running' END,
           rollout_percentage = CASE WHEN command IN ('abort', 'roll_back', 'start') THEN 0
                                     ELSE s.rollout_percentage END,
           reached_connection_id = CASE WHEN command = 'start' THEN '00000000-0000-0000-0000-000000000000'
                                        ELSE s.reached_connection_id END,
           connections_copied = CASE WHEN command = 'start' THEN 0 ELSE s.connections_copied END,
           messages_copied = CASE WHEN command = 'start' THEN 0 ELSE s.messages_copied END,
           started_at = CASE WHEN command = 'start' THEN clock_timestamp() ELSE s.started_at END,
           ended_at = CASE WHEN command IN ('abort', 'roll_back') THEN clock_timestamp() END;
    RETURN QUERY SELECT * FROM chatbench.migration_state;
END
$$;

CREATE FUNCTION chatbench.set_rollout(percentage integer)
RETURNS SETOF chatbench.migration_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE chatbench.migration_state
       SET rollout_percentage = percentage
     WHERE percentage = 0 OR phase IN ('running', 'paused', 'complete');
    IF NOT FOUND THEN
        RAISE SQLSTATE 'CB409' USING MESSAGE = 'no user is sent to the new chat before the migration has started';
    END IF;
    RETURN QUERY SELECT * FROM chatbench.migration_state;
END
$$;
