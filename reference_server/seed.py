"""The reference server's schema, filled: one database by URL, or a template that every run copies."""

import hashlib
from pathlib import Path

import fixtures
from fixtures import templates
from fixtures.load import SchemaScripts, load
from fixtures.manifest import DatasetManifest
from fixtures.progress import Progress, silent
from fixtures.sizes import find_size
from reference_server.statements import find_strategy, script

DEFAULT_STRATEGY = "roadmap_membership"


def schema_scripts(strategy: str) -> SchemaScripts:
    """The whole schema under the named index strategy; InputError when there is no such strategy."""
    return SchemaScripts(
        tables=(script("schema.sql"), script("migration.sql")),
        constraints=(script("constraints.sql"),),
        index_commands=find_strategy(strategy).commands,
        policies=(
            script("rls_policies.sql"),
            script("groups.sql"),
            script("typing_presence.sql"),
            script("migration_copying.sql"),
            script("migration_verification.sql"),
            script("migration_policies.sql"),
        ),
    )


async def seed(
    url: str,
    size: str,
    seed: int,
    strategy: str = DEFAULT_STRATEGY,
    *,
    force: bool = False,
    progress: Progress = silent,
) -> DatasetManifest:
    """Loads a data set into the database of `url` and returns its manifest; InputError when that is not possible."""
    return await load(url, size, seed, schema_scripts(strategy), force=force, progress=progress)


async def ensure_template(
    cluster_url: str, size: str, seed: int, strategy: str = DEFAULT_STRATEGY, *, progress: Progress = silent
) -> str:
    """The name of a seeded database to copy; loaded once per size, seed, schema and generator."""
    find_size(size)
    scripts = schema_scripts(strategy)
    return await templates.ensure_template(
        cluster_url, _key(size, seed, scripts), lambda url: load(url, size, seed, scripts, progress=progress)
    )


def template_name(size: str, seed: int, strategy: str = DEFAULT_STRATEGY) -> str:
    """What that database is called, whether it is there or not."""
    return templates.TEMPLATE_PREFIX + _key(size, seed, schema_scripts(strategy))


def _key(size: str, seed: int, scripts: SchemaScripts) -> str:
    return f"{size}_{_digest(seed, scripts)}"


def _digest(seed: int, scripts: SchemaScripts) -> str:
    """Changes with the seed, with the schema, and with whatever makes or loads the data."""
    digest = hashlib.sha256(repr((seed, scripts)).encode())
    for path in sorted(Path(fixtures.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
