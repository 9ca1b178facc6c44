import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from reference_server.frames import (
    ConversationAddedEvent,
    ConversationUpdatedEvent,
    MessageEvent,
    ParticipantChangedEvent,
)
from reference_server.records import GROUP_SIZE_MAX
from reference_server.statements import script

ROLES = ("member", "admin", "owner")


class World:
    """A group with a participant of every role, and a second one of each to act upon."""

    def __init__(self, server: Any, first_user: int) -> None:
        self.server = server
        self.owner, self.admin, self.member, self.second_owner, self.second_admin, self.second_member, self.stranger = (
            server.user(first_user + index) for index in range(7)
        )
        people = (self.owner, self.admin, self.member, self.second_owner, self.second_admin, self.second_member)
        self.id = server.group(*people)
        self.path = f"/conversations/{self.id}"
        for user, roles in (
            (self.admin, ("admin",)),
            (self.second_admin, ("admin",)),
            (self.second_owner, ("admin", "owner")),
        ):
            for role in roles:
                assert self.set_role(self.owner, user, role).status_code == 204

    def set_role(self, actor: Any, target: Any, role: str) -> Any:
        """The answer to giving somebody a role."""
        return actor.request("PUT", f"{self.path}/participants/{target.id}/role", role=role)

    def add(self, actor: Any, target: Any) -> Any:
        """The answer to adding somebody."""
        return actor.request("POST", f"{self.path}/participants", user_id=str(target.id))

    def remove(self, actor: Any, target: Any) -> Any:
        """The answer to removing somebody."""
        return actor.request("DELETE", f"{self.path}/participants/{target.id}")

    def leave(self, actor: Any) -> Any:
        """The answer to leaving."""
        return actor.request("POST", f"{self.path}/leave")

    def roles(self) -> dict[UUID, str]:
        """Everyone's role, as the API tells it."""
        participants = self.owner.get(f"{self.path}/participants").json()["participants"]
        return {UUID(one["user_id"]): one["role"] for one in participants}

    def actor(self, role: str) -> Any:
        """Who acts with a role."""
        return {"member": self.member, "admin": self.admin, "owner": self.owner}[role]

    def target(self, role: str) -> Any:
        """Whom it is done to, by their role."""
        return {
            "none": self.stranger,
            "member": self.second_member,
            "admin": self.second_admin,
            "owner": self.second_owner,
        }[role]

    def act(self, action: str, actor: Any, target: Any) -> Any:
        """The answer to one action of the rules."""
        ways = {
            "update_info": lambda: actor.request("PATCH", self.path, name="renamed"),
            "add_participant": lambda: self.add(actor, target),
            "remove_participant": lambda: self.remove(actor, target),
            "promote_to_admin": lambda: self.set_role(actor, target, "admin"),
            "demote_from_admin": lambda: self.set_role(actor, target, "member"),
            "promote_to_owner": lambda: self.set_role(actor, target, "owner"),
            "leave": lambda: self.leave(actor),
        }
        return ways[action]()


@pytest.fixture
def world(server: Any) -> World:
    """A fresh group."""
    return World(server, 100)


@pytest.fixture(scope="module")
def rules(administrator_sql: Any) -> set[tuple[str, str, str]]:
    """The table that the server's functions read."""
    return {
        tuple(row) for row in administrator_sql("SELECT action, actor_role, target_role FROM chatbench.group_rules")
    }


def cases() -> Iterator[tuple[str, str, str]]:
    """Every action by every role on every role."""
    for actor in ROLES:
        for action in ("update_info", "add_participant", "leave"):
            yield action, actor, "none"
        for action in ("remove_participant", "promote_to_admin", "demote_from_admin", "promote_to_owner"):
            for target in ROLES:
                yield action, actor, target


@pytest.mark.parametrize(("action", "actor", "target"), list(cases()))
def test_the_rules_decide(world: World, rules: set[tuple[str, str, str]], action: str, actor: str, target: str) -> None:
    """What the table holds is done; everything else is refused with 403 and changes nothing."""
    before = world.roles()
    answer = world.act(action, world.actor(actor), world.target(target))
    same_role = {"promote_to_admin": "admin", "demote_from_admin": "member", "promote_to_owner": "owner"}.get(action)
    if (action, actor, target) in rules:
        assert answer.is_success, answer.text
    elif same_role == target:
        assert answer.status_code == 204  # they have the role already
        assert world.roles() == before
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert world.roles() == before


def test_the_rules_are_what_they_are_meant_to_be(rules: set[tuple[str, str, str]]) -> None:
    """Everyone may leave, admins and owners see to the group and take out who is below them, and only owners set roles.

    Said in another way than the table says it, since what a wrong rule allows is what all other tests expect.
    """
    below = {"admin": {"member"}, "owner": {"member", "admin"}}
    step = {"promote_to_admin": "member", "demote_from_admin": "admin", "promote_to_owner": "admin"}
    assert rules == {
        (action, actor, target)
        for action, actor, target in cases()
        if action == "leave"
        or (action in {"update_info", "add_participant"} and actor in below)
        or (action == "remove_participant" and target in below.get(actor, ()))
        or (actor == "owner" and step.get(action) == target)
    }


@pytest.mark.parametrize(
    "action", ["update_info", "add_participant", "remove_participant", "promote_to_admin", "leave"]
)
def test_a_group_is_not_there_for_strangers(world: World, action: str) -> None:
    """Who is not in it is told that there is none."""
    answer = world.act(action, world.stranger, world.member)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_direct_conversation_is_no_group(server: Any) -> None:
    """Nobody can be added to it, and nobody leaves it."""
    one, other = server.user(100), server.user(101)
    made = one.post("/conversations/direct", user_id=str(other.id)).json()["conversation"]["id"]
    for answer in (
        one.request("POST", f"/conversations/{made}/participants", user_id=str(server.user(102).id)),
        one.request("POST", f"/conversations/{made}/leave"),
        one.request("PATCH", f"/conversations/{made}", name="ours"),
    ):
        assert answer.status_code == 404


def test_the_last_owner_stays(server: Any) -> None:
    """While others are in; alone, they may go."""
    owner, member = server.user(100), server.user(101)
    path = f"/conversations/{server.group(owner, member)}"
    answer = owner.request("POST", f"{path}/leave")
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "you are the last owner of this group; make another one first",
    )
    assert member.request("POST", f"{path}/leave").status_code == 204
    assert owner.request("POST", f"{path}/leave").status_code == 204
    assert owner.get(f"{path}/participants").status_code == 404


def test_two_owners_cannot_both_vanish(world: World) -> None:
    """They leave at the same moment, and one of them is the last."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(world.leave, (world.owner, world.second_owner)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]


def test_leaving_ends_the_sight_and_being_added_brings_all_back(world: World) -> None:
    """Nothing is readable outside, everything inside, and nothing is unread at the start."""
    world.owner.send(world.id, "before")
    assert world.leave(world.member).status_code == 204
    world.owner.send(world.id, "meanwhile")
    assert world.member.get(f"{world.path}/messages").status_code == 404
    assert world.member.post_message(world.id).status_code == 404
    answer = world.add(world.admin, world.member)
    assert answer.status_code == 201
    assert answer.json()["participant"]["role"] == "member"
    contents = [one["content"] for one in world.member.get(f"{world.path}/messages").json()["messages"]]
    assert contents == ["meanwhile", "before"]
    listed = world.member.get("/conversations").json()["conversations"][0]
    assert (listed["id"], listed["unread_count"]) == (str(world.id), 0)
    world.owner.send(world.id)
    assert world.member.get("/conversations").json()["conversations"][0]["unread_count"] == 1


def test_adding_twice_is_adding_once(world: World) -> None:
    """The second time says so, and a role is not lost by it."""
    assert world.add(world.owner, world.stranger).status_code == 201
    again = world.add(world.owner, world.stranger)
    assert again.status_code == 200
    assert world.add(world.owner, world.admin).json()["participant"]["role"] == "admin"


def test_who_does_not_exist_is_not_added(world: World) -> None:
    """An unknown user is not found."""
    answer = world.owner.request("POST", f"{world.path}/participants", user_id=str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_nobody_removes_themselves(world: World) -> None:
    """There is a way to leave."""
    assert world.remove(world.admin, world.admin).status_code == 400


def test_removing_who_is_not_in_is_not_found(world: World) -> None:
    """A member may know who is in, so they are told."""
    assert world.remove(world.owner, world.stranger).status_code == 404
    assert world.set_role(world.owner, world.stranger, "admin").status_code == 404


def test_info_changes_by_parts(world: World) -> None:
    """What is not named stays; an empty description takes it away; nothing to change is a mistake."""
    assert world.owner.request("PATCH", world.path, name="Team", description="Plans").json() == {
        "name": "Team",
        "description": "Plans",
    }
    assert world.owner.request("PATCH", world.path, description="").json() == {"name": "Team", "description": None}
    assert world.owner.request("PATCH", world.path).status_code == 400
    listed = world.owner.get("/conversations").json()["conversations"]
    assert next(one["name"] for one in listed if one["id"] == str(world.id)) == "Team"


def test_changes_come_live(world: World) -> None:
    """Members hear who joins and leaves; who is added hears of the group; who is removed hears that, and no more."""
    inside, outside = world.owner.connect(), world.stranger.connect()
    inside.subscribe()
    outside.subscribe()
    world.owner.send(world.id)
    inside.receive()
    world.add(world.admin, world.stranger)
    added = outside.receive()
    assert isinstance(added, ConversationAddedEvent)
    assert (added.conversation_id, added.type, added.role, added.last_seq) == (world.id, "group", "member", 1)
    assert inside.receive() == ParticipantChangedEvent(
        conversation_id=world.id, user_id=world.stranger.id, change="joined", role="member"
    )
    world.owner.request("PATCH", world.path, name="Team")
    assert (
        inside.receive()
        == outside.receive()
        == ConversationUpdatedEvent(conversation_id=world.id, name="Team", description=None)
    )
    world.remove(world.admin, world.stranger)
    gone = ParticipantChangedEvent(conversation_id=world.id, user_id=world.stranger.id, change="removed", role="member")
    assert inside.receive() == outside.receive() == gone
    world.owner.send(world.id, "not for the stranger")
    assert isinstance(inside.receive(), MessageEvent)
    other = world.server.group(world.owner, world.stranger)
    assert outside.receive().conversation_id == other  # nothing came in between


def test_new_conversations_come_live(server: Any) -> None:
    """Both sides of a direct conversation hear of it, once, however often it is opened."""
    one, other = server.user(108), server.user(109)
    devices = [one.connect(), other.connect()]
    for device in devices:
        device.subscribe()
    made = one.post("/conversations/direct", user_id=str(other.id)).json()["conversation"]["id"]
    other.post("/conversations/direct", user_id=str(one.id))
    one.send(UUID(made))
    for device in devices:
        added = device.receive()
        assert isinstance(added, ConversationAddedEvent)
        assert (str(added.conversation_id), added.type, set(added.participant_ids)) == (
            made,
            "direct",
            {one.id, other.id},
        )
        assert isinstance(device.receive(), MessageEvent)


def test_opening_at_the_same_moment_gives_one_conversation(server: Any) -> None:
    """Two people who open each other's chat share it, and exactly one of them made it."""
    users = [server.user(index) for index in (104, 105)]

    def open_chat(index: int) -> Any:
        return users[index % 2].post("/conversations/direct", user_id=str(users[1 - index % 2].id))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(open_chat, range(8)))
    assert len({answer.json()["conversation"]["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers)[-2:] in ([200, 200], [200, 201])


def test_participants_are_paged(world: World) -> None:
    """Every participant once, whatever the page size."""
    for limit in (1, 2, 6, 7):
        found: list[str] = []
        following: dict[str, str] = {}
        while True:
            page = world.member.get(f"{world.path}/participants", limit=limit, **following).json()
            found += [one["user_id"] for one in page["participants"]]
            if not page["has_more"]:
                break
            following = {"cursor": page["next_cursor"]}
        assert found == sorted(map(str, world.roles()))


def test_the_bound_of_a_group_is_one_number() -> None:
    """The function that adds and the record that creates agree."""
    assert f">= {GROUP_SIZE_MAX} THEN" in script("groups.sql")


@pytest.mark.parametrize(
    ("method", "path", "actions"),
    [
        ("patch", "", ["update_info"]),
        ("post", "/participants", ["add_participant"]),
        ("delete", "/participants/{user_id}", ["remove_participant"]),
        ("put", "/participants/{user_id}/role", ["promote_to_admin", "promote_to_owner", "demote_from_admin"]),
        ("post", "/leave", ["leave"]),
    ],
)
def test_the_document_names_who_may(
    server: Any, administrator_sql: Any, method: str, path: str, actions: list[str]
) -> None:
    """The roles in the sentence that begins with `For` are those of the table of rules."""
    document = server.http.get("/schema/openapi.json").json()
    description = document["paths"]["/v1/conversations/{conversation_id}" + path][method]["description"]
    (sentence,) = re.findall(r"\bFor ([^.]*)\.", description)
    statement = "SELECT DISTINCT actor_role FROM chatbench.group_rules WHERE action = ANY ($1)"
    actors = {row["actor_role"] for row in administrator_sql(statement, actions)}
    named = re.sub(r", who take out [^,;]*|;.*", "", sentence)  # who they may do it to
    assert set(re.findall(r"(member|admin|owner)s", named)) == actors
