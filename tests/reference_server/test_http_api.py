from typing import Any
from uuid import uuid4

import pytest

from reference_server.cursors import SEQ_MAX
from reference_server.records import CONTENT_LENGTH_MAX, GROUP_SIZE_MAX


@pytest.fixture(scope="module")
def user(server: Any) -> Any:
    """Someone who is logged in."""
    return server.user(70)


def test_a_login_needs_the_key_and_a_user(server: Any, user: Any) -> None:
    """A wrong key and an unknown user are answered alike."""
    for body in ({"user_id": str(user.id), "login_key": "guess"}, {"user_id": str(uuid4()), "login_key": "chatbench"}):
        answer = server.http.post("/v1/login", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer forged", "Basic Zm9vOmJhcg=="])
@pytest.mark.parametrize("path", ["/v1/conversations", "/v1/memberships", "/v1/users", "/v1/gateway"])
def test_a_user_s_routes_need_a_token(server: Any, path: str, header: str | None) -> None:
    """Without a valid token the answer is 401."""
    answer = server.http.get(path, headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_the_gateway_s_url_is_told(server: Any, user: Any) -> None:
    """The URL that is told is the one that answers."""
    assert user.get("/gateway").json() == {
        "url": server.record["gateway_url"],
        "subprotocols": ["chat.v1.json", "chat.v1.msgpack"],
    }


def test_the_data_set_is_told(server: Any, administrator_sql: Any) -> None:
    """The manifest is that of the database."""
    told = server.http.get("/v1/dataset").json()
    assert told["size"] == "tiny"
    assert told["rows"]["users"] == administrator_sql("SELECT count(*) AS n FROM users")[0]["n"] == told["user_count"]


@pytest.mark.parametrize(
    ("content", "status"),
    [("", 400), ("x" * CONTENT_LENGTH_MAX, 201), ("x" * (CONTENT_LENGTH_MAX + 1), 400), ("a\x00b", 400), (7, 400)],
)
def test_content_is_bounded(server: Any, user: Any, content: Any, status: int) -> None:
    """From one character to the longest, and nothing that the database cannot hold."""
    assert user.post_message(server.group(user), content).status_code == status


@pytest.mark.parametrize("limit", ["0", "-1", "201", "many", "1e3"])
def test_a_page_is_bounded(server: Any, user: Any, limit: str) -> None:
    """A page size out of range is refused by name."""
    answer = user.get("/conversations", limit=limit)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "limit" in answer.json()["message"]


def test_a_foreign_cursor_is_refused(server: Any, user: Any) -> None:
    """A made-up cursor is bad input, not a failure."""
    answer = user.get("/conversations", cursor="AAAA")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_an_unknown_field_is_refused(server: Any, user: Any) -> None:
    """A misspelt field is told, not ignored."""
    answer = user.post("/conversations/group", name="x", user_ids=[], members=[])
    assert answer.status_code == 400
    assert "members" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is missing; send a JSON object"),
        (b"{", "Input data was truncated"),
        (b'{"name":"\xff","user_ids":[]}', "the body holds a string that is no UTF-8: invalid start byte"),
        (b'{"name":' + b"[" * 100_000, "the body is nested too deeply"),
    ],
    ids=["missing", "cut off", "no UTF-8", "bottomless"],
)
def test_a_body_that_is_no_json_is_refused(server: Any, user: Any, body: bytes, told: str) -> None:
    """Whatever is wrong with it, it is the caller's mistake and is told as such."""
    headers = {"Authorization": f"Bearer {user.token}"}
    answer = server.http.post("/v1/conversations/group", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"code": "bad_request", "message": told})


def test_a_direct_conversation_with_oneself_is_refused(server: Any, user: Any) -> None:
    """It takes two."""
    answer = user.post("/conversations/direct", user_id=str(user.id))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_unknown_people_are_not_found(server: Any, user: Any) -> None:
    """Conversations are made of users."""
    assert user.post("/conversations/direct", user_id=str(uuid4())).status_code == 404
    assert user.post("/conversations/group", name="x", user_ids=[str(uuid4())]).status_code == 404


def test_a_group_is_bounded(server: Any, user: Any) -> None:
    """More members than a group may have are refused before the database is asked."""
    answer = user.post("/conversations/group", name="x", user_ids=[str(uuid4()) for _ in range(GROUP_SIZE_MAX)])
    assert answer.status_code == 400


def test_a_body_above_the_bound_is_not_read(server: Any, user: Any) -> None:
    """Too much is answered by 413."""
    answer = user.post("/conversations/group", name="x" * (1 << 20), user_ids=[])
    message = "the body is longer than 1048576 bytes; send less at a time"
    assert (answer.status_code, answer.json()) == (413, {"code": "too_large", "message": message})


def test_who_takes_it_for_the_gateway_gets_an_ordinary_answer(server: Any) -> None:
    """And the log is not told to install something."""
    answer = server.http.get("/healthz", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert (answer.status_code, answer.text) == (200, "ok")
    assert "upgrade" not in server.log.lower()


def test_what_is_not_there_is_an_error_answer_too(server: Any, user: Any) -> None:
    """Unknown routes and methods have the shape of every other refusal."""
    assert user.get("/nothing").json()["code"] == "not_found"
    answer = server.http.delete("/v1/conversations")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_healthz_answers(server: Any) -> None:
    """The process is there."""
    answer = server.http.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_the_counters_move(database: str, launch: Any) -> None:
    """Requests, sends, events and connections are counted where they happen."""
    server = launch(database)
    user, other = server.user(70), server.user(71)
    conversation = server.group(user, other)
    route = "/v1/conversations/{conversation_id}/messages"
    watched: list[tuple[str, dict[str, str], float]] = [
        ("chat_http_requests_total", {"method": "POST", "route": route, "status": "201"}, 3),
        ("chat_http_requests_total", {"method": "POST", "route": route, "status": "404"}, 1),
        ("chat_http_request_seconds_count", {"method": "POST", "route": route}, 4),
        ("chat_sends_total", {"outcome": "new"}, 3),
        ("chat_sends_total", {"outcome": "refused"}, 1),
        ("chat_gateway_events_total", {"kind": "m"}, 3),
        ("chat_gateway_connections", {}, 1),
    ]
    before = [server.metric(name, **labels) for name, labels, _ in watched]
    gateway = other.connect()
    gateway.subscribe()
    for _ in range(3):
        user.send(conversation)
    user.post_message(uuid4())
    for _ in range(3):
        gateway.receive()
    after = [server.metric(name, **labels) for name, labels, _ in watched]
    moved = [late - early for early, late in zip(before, after, strict=True)]
    assert moved == [change for _, _, change in watched]


def test_the_openapi_document_lists_every_answer(server: Any) -> None:
    """Each route names its refusals, each refusal is an ErrorAnswer, and only public routes need no token."""
    document = server.http.get("/schema/openapi.json").json()
    public = {"/v1/login", "/v1/dataset", "/healthz", "/readyz", "/metrics"}
    statuses = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            refusals = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
            statuses[method, path] = set(refusals) - {"413"}
            assert ("413" in refusals) == ("requestBody" in operation), (path, method)
            for status, answer in refusals.items():
                (media,) = answer["content"].values()
                assert media["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}, (path, status)
            security = (
                [{"operator": []}] if path.startswith("/v1/operator/") else [{}] if path in public else [{"token": []}]
            )
            assert operation.get("security", document["security"]) == security
            assert path in public or "401" in refusals
            assert operation["description"].strip(), "what it does"
    conversation = "/v1/conversations/{conversation_id}"
    read, found = {"400", "401", "429", "503"}, {"400", "401", "404", "429", "503"}
    changes_group = found | {"403", "409"}
    connections, migration = "/v1/legacy/connections", "/v1/operator/migration"
    assert statuses == {
        ("post", "/v1/login"): read,
        ("get", "/v1/dataset"): set(),
        ("get", "/v1/gateway"): {"401", "429"},
        ("post", "/v1/conversations/direct"): found,
        ("post", "/v1/conversations/group"): found,
        ("get", "/v1/conversations"): read,
        ("get", "/v1/memberships"): read,
        ("patch", conversation): changes_group,
        ("post", f"{conversation}/leave"): changes_group,
        ("get", f"{conversation}/participants"): found,
        ("post", f"{conversation}/participants"): changes_group,
        ("delete", f"{conversation}/participants/{{user_id}}"): changes_group,
        ("put", f"{conversation}/participants/{{user_id}}/role"): changes_group,
        ("get", f"{conversation}/messages"): found,
        ("post", f"{conversation}/messages"): found | {"409"},
        ("patch", f"{conversation}/messages/{{seq}}"): found,
        ("delete", f"{conversation}/messages/{{seq}}"): found,
        ("post", f"{conversation}/messages/{{seq}}/read"): found,
        ("get", "/v1/users"): read,
        ("get", "/v1/users/{user_id}"): found,
        ("get", "/v1/presence"): read,
        ("get", f"{conversation}/typing"): found,
        ("get", "/v1/operator/indexes"): {"401", "503"},
        ("put", "/v1/operator/indexes/{strategy}"): {"400", "401", "404", "409", "503"},
        ("delete", "/v1/operator/indexes/{strategy}"): {"400", "401", "404", "409", "503"},
        ("get", connections): read,
        ("post", connections): {"400", "401", "404", "409", "429", "503"},
        ("post", f"{connections}/{{connection_id}}/accept"): {"400", "401", "404", "409", "429", "503"},
        ("post", f"{connections}/{{connection_id}}/decline"): {"400", "401", "404", "409", "429", "503"},
        ("get", f"{connections}/{{connection_id}}/messages"): {"400", "401", "404", "429", "503"},
        ("post", f"{connections}/{{connection_id}}/messages"): {"400", "401", "404", "409", "429", "503"},
        ("post", f"{connections}/{{connection_id}}/read"): {"400", "401", "404", "429", "503"},
        ("get", f"{connections}/{{connection_id}}/conversation"): {"400", "401", "404", "429", "503"},
        ("get", "/v1/chat_route"): {"400", "401", "429", "503"},
        ("get", migration): {"401", "503"},
        **{
            ("post", f"{migration}/{command}"): {"400", "401", "409", "503"}
            for command in ("start", "pause", "resume", "abort", "roll_back")
        },
        ("put", f"{migration}/rollout"): {"400", "401", "409", "503"},
        ("put", f"{migration}/pace"): {"400", "401", "409", "503"},
        ("post", f"{migration}/verify"): {"401", "503"},
        ("get", "/healthz"): set(),
        ("get", "/readyz"): {"503"},
        ("get", "/metrics"): set(),
    }


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/conversations/none/messages", "conversation_id"),
        ("PATCH", "/conversations/none", "conversation_id"),
        ("GET", "/conversations/none/typing", "conversation_id"),
        ("GET", "/users/none", "user_id"),
        ("DELETE", "/conversations/019a0000-0000-7000-8000-000000000000/participants/none", "user_id"),
        ("POST", "/legacy/connections/none/accept", "connection_id"),
    ],
)
def test_a_path_with_an_id_that_is_none_is_told_so(server: Any, method: str, path: str, name: str) -> None:
    """By its name and as it was given; it is no route that does not exist."""
    body = {"name": "x"} if method == "PATCH" else {}
    answer = server.user(0).request(method, path, **body)
    message = f"{name}: 'none' is no UUID; write 8-4-4-4-12 hexadecimal digits"
    assert (answer.status_code, answer.json()) == (400, {"code": "bad_request", "message": message})


@pytest.mark.parametrize("seq", ["none", "0", "-1", "1.5", "9223372036854775808"])
@pytest.mark.parametrize(("method", "suffix"), [("PATCH", ""), ("DELETE", ""), ("POST", "/read")])
def test_a_path_with_a_seq_that_is_none_is_told_so(server: Any, user: Any, method: str, suffix: str, seq: str) -> None:
    """Like an id: by its name, as it was given, with what it may be."""
    body = {"content": "x"} if method == "PATCH" else {}
    answer = user.request(method, f"/conversations/{uuid4()}/messages/{seq}{suffix}", **body)
    message = f"seq: '{seq}' is no message number; write a whole number from 1 to 9223372036854775807"
    assert (answer.status_code, answer.json()) == (400, {"code": "bad_request", "message": message})


def test_a_seq_is_documented_with_its_bounds(server: Any) -> None:
    """The document says of the path what the server accepts in it."""
    paths = server.http.get("/schema/openapi.json").json()["paths"]
    operation = paths["/v1/conversations/{conversation_id}/messages/{seq}"]["patch"]
    (schema,) = [parameter["schema"] for parameter in operation["parameters"] if parameter["name"] == "seq"]
    assert (schema["type"], schema["minimum"], schema["maximum"]) == ("integer", 1, float(SEQ_MAX))
