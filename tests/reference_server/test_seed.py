"""reference_server.seed: the schema, filled."""

import asyncio
from typing import Any

import pytest

from fixtures.database import connect
from fixtures.errors import InputError
from fixtures.postgres import EmbeddedPostgres
from reference_server.seed import ensure_template, schema_scripts, seed
from reference_server.statements import SQL_FOLDER, find_strategy, script


def test_the_scripts_are_those_of_the_sql_folder() -> None:
    """Every schema file is run, and the strategy's commands one by one."""
    scripts = schema_scripts("roadmap")
    assert scripts.tables == (script("schema.sql"), script("migration.sql"))
    assert scripts.constraints == (script("constraints.sql"),)
    assert scripts.policies == (
        script("rls_policies.sql"),
        script("groups.sql"),
        script("typing_presence.sql"),
        script("migration_copying.sql"),
        script("migration_verification.sql"),
        script("migration_policies.sql"),
    )
    assert {path.name for path in SQL_FOLDER.glob("*.sql")} == {
        "schema.sql", "migration.sql", "constraints.sql", "rls_policies.sql", "groups.sql",
        "typing_presence.sql", "migration_copying.sql", "migration_verification.sql", "migration_policies.sql",
    }  # fmt: skip
    assert scripts.index_commands == find_strategy("roadmap").commands


def test_a_database_is_seeded_by_url(empty_url: str) -> None:
    """One call fills an empty database and says what it now holds."""

    async def run() -> tuple[int, int]:
        manifest = await seed(empty_url, "tiny", 5, "none")
        async with connect(empty_url) as connection:
            return manifest.rows["chat_messages"], await connection.fetchval("SELECT count(*) FROM chat_messages")

    assert asyncio.run(run()) == (2000, 2000)


def test_row_level_security_is_on(tiny_url: str) -> None:
    """Conversations, participants and messages are bound from the first day."""

    async def run() -> list[str]:
        async with connect(tiny_url) as connection:
            return list(
                await connection.fetchval(
                    "SELECT array_agg(relname::text ORDER BY relname) FROM pg_class "
                    "WHERE relrowsecurity AND relnamespace = 'public'::regnamespace"
                )
            )

    assert {"chat_messages", "conversation_participants", "conversations"} <= set(asyncio.run(run()))


def test_what_is_being_served_is_not_replaced(tiny_url: str, launch: Any) -> None:
    """Seeding says so at once instead of waiting for the server to end; when it has ended, it goes on."""
    server = launch(tiny_url)
    with pytest.raises(InputError, match=r"a server is serving .*; stop it"):
        asyncio.run(seed(tiny_url, "tiny", 2, "none"))
    assert server.http.get("/v1/dataset").json()["seed"] == 1
    server.stop()
    assert asyncio.run(seed(tiny_url, "tiny", 2, "none")).seed == 2


def test_a_template_is_found_again(postgres: EmbeddedPostgres, tiny_template: str) -> None:
    """Asking a second time gives the same database without loading anything."""
    steps: list[str] = []
    again = asyncio.run(
        ensure_template(postgres.url("postgres"), "tiny", 1, progress=lambda step, _: steps.append(step))
    )
    assert again == tiny_template
    assert steps == []


def test_another_seed_or_strategy_is_another_template(postgres: EmbeddedPostgres, tiny_template: str) -> None:
    """Templates differ by everything that their content depends on."""

    async def run() -> set[str]:
        cluster_url = postgres.url("postgres")
        return {await ensure_template(cluster_url, "tiny", 2), await ensure_template(cluster_url, "tiny", 1, "none")}

    assert len(asyncio.run(run()) | {tiny_template}) == 3


def test_unknown_names_are_refused(postgres: EmbeddedPostgres) -> None:
    """A size or strategy that does not exist is refused with those that do."""
    with pytest.raises(InputError, match="no size named 'huge'"):
        asyncio.run(ensure_template(postgres.url("postgres"), "huge", 1))
    with pytest.raises(InputError, match="no index strategy named 'fast'"):
        asyncio.run(ensure_template(postgres.url("postgres"), "tiny", 1, "fast"))
