-- purpose: Making conversations, and changing groups: the rules as one table, and the only ways to change who is in.

-- Conversations and participants are written by the functions below and in no other way: a policy on INSERT or UPDATE
-- would have to trust the caller for who else is in and with which role.
--
-- In a group one reads everything, from its first message on; who has left or was removed reads nothing of it, not
-- even what was said while they were in. Who is added again reads everything again, and begins with nothing unread.
-- (A bound per participant, "from joining on", would make every policy and every page depend on the reader's row.)
--
-- Refusals carry SQLSTATE CB403 (the role may not), CB404 (nothing there for the caller) or CB409 (the state forbids it).

-- Who may do what to whom in a group. Read by the functions below, by the tests and by their model; there is no other list.
CREATE TABLE chatbench.group_rules (
    action text NOT NULL,
    actor_role text NOT NULL CHECK (actor_role IN ('member', 'admin', 'owner')),
    -- The role of whom it is done to; 'none' when that is nobody, or somebody who is not in the group.
    target_role text NOT NULL CHECK (target_role IN ('none', 'member', 'admin', 'owner')),
    PRIMARY KEY (action, actor_role, target_role)
);
INSERT INTO chatbench.group_rules (action, actor_role, target_role) VALUES
    ('update_info',        'admin', 'none'),
    ('update_info',        'owner', 'none'),
    ('add_participant',    'admin', 'none'),
    ('add_participant',    'owner', 'none'),
    ('remove_participant', 'admin', 'member'),
    ('remove_participant', 'owner', 'member'),
    ('remove_participant', 'owner', 'admin'),
    ('promote_to_admin',   'owner', 'member'),
    ('demote_from_admin',  'owner', 'admin'),
    ('promote_to_owner',   'owner', 'admin'),
    ('leave',              'member', 'none'),
    ('leave',              'admin',  'none'),
    ('leave',              'owner',  'none');  -- while another owner stays, or nobody does
GRANT SELECT ON chatbench.group_rules TO authenticated;

CREATE FUNCTION chatbench.create_direct_conversation(other uuid)
RETURNS TABLE (
    id uuid, type text, name text, description text, participant1_id uuid, participant2_id uuid, created_by uuid,
    created_at timestamptz, last_message_at timestamptz, last_seq bigint, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me uuid := auth.uid();
    made uuid;
BEGIN
    IF me IS NULL OR other IS NULL OR me = other THEN
        RAISE check_violation USING MESSAGE = 'a direct conversation has two different participants';
    END IF;
    -- Two sides at once: the second waits for the first one's commit here, and then finds its row.
    INSERT INTO public.conversations (type, participant1_id, participant2_id, created_by)
    VALUES ('direct', least(me, other), greatest(me, other), me)
    ON CONFLICT (participant1_id, participant2_id) DO NOTHING
    RETURNING id INTO made;
    IF made IS NOT NULL THEN
        INSERT INTO public.conversation_participants (conversation_id, user_id, conversation_type)
        VALUES (made, me, 'direct'), (made, other, 'direct');
    END IF;
    RETURN QUERY
        SELECT c.id, c.type, c.name, c.description, c.participant1_id, c.participant2_id, c.created_by, c.created_at,
               c.last_message_at, c.last_seq, made IS NOT NULL
          FROM public.conversations c
         WHERE c.participant1_id = least(me, other) AND c.participant2_id = greatest(me, other);
END
$$;

CREATE FUNCTION chatbench.create_group_conversation(group_name text, others uuid[])
RETURNS TABLE (
    id uuid, type text, name text, description text, participant1_id uuid, participant2_id uuid, created_by uuid,
    created_at timestamptz, last_message_at timestamptz, last_seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me uuid := auth.uid();
    made uuid;
BEGIN
    IF me IS NULL THEN
        RAISE check_violation USING MESSAGE = 'a group has an owner';
    END IF;
    INSERT INTO public.conversations (type, name, created_by)
    VALUES ('group', group_name, me)
    RETURNING id INTO made;
    INSERT INTO public.conversation_participants (conversation_id, user_id, conversation_type, role)
    VALUES (made, me, 'group', 'owner');
    INSERT INTO public.conversation_participants (conversation_id, user_id, conversation_type)
    SELECT DISTINCT made, member, 'group' FROM unnest(others) AS member WHERE member <> me;
    RETURN QUERY
        SELECT c.id, c.type, c.name, c.description, c.participant1_id, c.participant2_id, c.created_by, c.created_at,
               c.last_message_at, c.last_seq
          FROM public.conversations c
         WHERE c.id = made;
END
$$;

-- The role of a user in a group now; 'none' for who is not in it.
CREATE FUNCTION chatbench.group_role(group_id uuid, member uuid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((SELECT role FROM public.conversation_participants
                      WHERE conversation_id = group_id AND user_id = member AND left_at IS NULL), 'none')
$$;

-- The caller's role in a group; refused when there is none for them.
CREATE FUNCTION chatbench.my_role(group_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_role text := chatbench.group_role(group_id, auth.uid());
BEGIN
    IF found_role = 'none' OR NOT EXISTS (SELECT FROM public.conversations WHERE id = group_id AND type = 'group') THEN
        RAISE SQLSTATE 'CB404' USING MESSAGE = format('there is no group %s for you', group_id);
    END IF;
    RETURN found_role;
END
$$;

-- The role of a participant whom something is to be done to; refused when they are not in the caller's group.
CREATE FUNCTION chatbench.their_role(group_id uuid, member uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_role text := chatbench.group_role(group_id, member);
BEGIN
    PERFORM chatbench.my_role(group_id);
    IF found_role = 'none' THEN
        RAISE SQLSTATE 'CB404' USING MESSAGE = format('user %s is not in this group', member);
    END IF;
    RETURN found_role;
END
$$;

-- Refuses what the rules do not allow the caller.
CREATE FUNCTION chatbench.require_group_right(group_id uuid, wanted text, whose_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    my_role text := chatbench.my_role(group_id);
BEGIN
    IF NOT EXISTS (SELECT FROM chatbench.group_rules r
                    WHERE (r.action, r.actor_role, r.target_role) = (wanted, my_role, whose_role)) THEN
        RAISE SQLSTATE 'CB403' USING MESSAGE = format(
            CASE whose_role WHEN 'none' THEN 'your role in this group, %s, does not allow %s'
                            ELSE 'your role in this group, %s, does not allow %s for somebody who is %s' END,
            my_role, replace(wanted, '_', ' '), whose_role);
    END IF;
END
$$;

-- Makes changes of a group and sends to it take turns. Rights are read after the lock is held: a statement in a function
-- sees what was committed before that statement began.
CREATE FUNCTION chatbench.lock_group(group_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- An update and no mere lock: a transaction that sees the past (REPEATABLE READ) must fail here, not decide by it.
    UPDATE public.conversations SET last_seq = last_seq WHERE id = group_id;
END
$$;

CREATE FUNCTION chatbench.update_group(group_id uuid, new_name text, new_description text)
RETURNS TABLE (name text, description text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM chatbench.lock_group(group_id);
    PERFORM chatbench.require_group_right(group_id, 'update_info', 'none');
    -- Null leaves a value as it is; an empty description takes it away.
    RETURN QUERY
        UPDATE public.conversations c
           SET name = coalesce(new_name, c.name),
               description = nullif(coalesce(new_description, c.description), '')
         WHERE c.id = group_id
        RETURNING c.name, c.description;
END
$$;

-- Adds somebody, or takes back who was in before: as a member, with nothing unread.
CREATE FUNCTION chatbench.add_participant(group_id uuid, member uuid)
RETURNS TABLE (role text, joined_at timestamptz, last_read_seq bigint, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    is_in boolean;
BEGIN
    PERFORM chatbench.lock_group(group_id);
    PERFORM chatbench.require_group_right(group_id, 'add_participant', 'none');
    is_in := chatbench.group_role(group_id, member) <> 'none';
    IF NOT is_in THEN
        IF (SELECT count(*) FROM public.conversation_participants p
             WHERE p.conversation_id = group_id AND p.left_at IS NULL) >= 10000 THEN
            RAISE SQLSTATE 'CB409' USING MESSAGE = 'the group is full: it has 10,000 participants';
        END IF;
        INSERT INTO public.conversation_participants AS p
               (conversation_id, user_id, conversation_type, role, last_read_seq)
        SELECT c.id, member, 'group', 'member', c.last_seq FROM public.conversations c WHERE c.id = group_id
            ON CONFLICT (conversation_id, user_id) DO UPDATE
           SET role = 'member', left_at = NULL, joined_at = clock_timestamp(),
               last_read_seq = greatest(p.last_read_seq, excluded.last_read_seq);
    END IF;
    RETURN QUERY
        SELECT p.role, p.joined_at, p.last_read_seq, NOT is_in
          FROM public.conversation_participants p
         WHERE p.conversation_id = group_id AND p.user_id = member;
END
$$;

CREATE FUNCTION chatbench.remove_participant(group_id uuid, member uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    their_role text;
BEGIN
    PERFORM chatbench.lock_group(group_id);
    their_role := chatbench.their_role(group_id, member);
    PERFORM chatbench.require_group_right(group_id, 'remove_participant', their_role);
    UPDATE public.conversation_participants
       SET left_at = clock_timestamp()
     WHERE conversation_id = group_id AND user_id = member;
    RETURN their_role;
END
$$;

-- One step on the ladder member – admin – owner: up to admin, down from admin, up to owner.
CREATE FUNCTION chatbench.set_role(group_id uuid, member uuid, new_role text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    their_role text;
BEGIN
    PERFORM chatbench.lock_group(group_id);
    their_role := chatbench.their_role(group_id, member);
    IF their_role = new_role THEN
        RETURN false;
    END IF;
    PERFORM chatbench.require_group_right(
        group_id,
        CASE new_role WHEN 'admin' THEN 'promote_to_admin' WHEN 'owner' THEN 'promote_to_owner'
                      ELSE 'demote_from_admin' END,
        their_role);
    UPDATE public.conversation_participants
       SET role = new_role
     WHERE conversation_id = group_id AND user_id = member;
    RETURN true;
END
$$;

CREATE FUNCTION chatbench.leave_group(group_id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    my_role text;
BEGIN
    PERFORM chatbench.lock_group(group_id);
    PERFORM chatbench.require_group_right(group_id, 'leave', 'none');
    -- A group that has people has an owner.
    my_role := chatbench.group_role(group_id, auth.uid());
    IF my_role = 'owner'
       AND EXISTS (SELECT FROM public.conversation_participants
                    WHERE conversation_id = group_id AND left_at IS NULL AND user_id <> auth.uid())
       AND NOT EXISTS (SELECT FROM public.conversation_participants
                        WHERE conversation_id = group_id AND left_at IS NULL AND user_id <> auth.uid()
                          AND role = 'owner') THEN
        RAISE SQLSTATE 'CB409' USING MESSAGE = 'you are the last owner of this group; make another one first';
    END IF;
    UPDATE public.conversation_participants
       SET left_at = clock_timestamp()
     WHERE conversation_id = group_id AND user_id = auth.uid();
    RETURN my_role;
END
$$;

REVOKE EXECUTE ON FUNCTION
    chatbench.create_direct_conversation(uuid),
    chatbench.create_group_conversation(text, uuid[]),
    chatbench.group_role(uuid, uuid),
    chatbench.my_role(uuid),
    chatbench.their_role(uuid, uuid),
    chatbench.require_group_right(uuid, text, text),
    chatbench.lock_group(uuid),
    chatbench.update_group(uuid, text, text),
    chatbench.add_participant(uuid, uuid),
    chatbench.remove_participant(uuid, uuid),
    chatbench.set_role(uuid, uuid, text),
    chatbench.leave_group(uuid)
    FROM PUBLIC;
-- The helpers stay the functions' own: they would tell a caller of groups that are none of theirs.
GRANT EXECUTE ON FUNCTION
    chatbench.create_direct_conversation(uuid),
    chatbench.create_group_conversation(text, uuid[]),
    chatbench.update_group(uuid, text, text),
    chatbench.add_participant(uuid, uuid),
    chatbench.remove_participant(uuid, uuid),
    chatbench.set_role(uuid, uuid, text),
    chatbench.leave_group(uuid)
    TO authenticated;
