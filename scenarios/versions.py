"""The two arms of an A/B comparison, as they are named on the command line, and servers of them.

main, 1a2b3c4, v1.2      a git ref of the checkout in the working directory
http://127.0.0.1:8000    a server that runs
strategy:NAME|FILE       this version with other indexes
set:NAME=VALUE,…         this version with other settings
python:PATH              the version installed for another Python
.                        this version as it is
"""

import asyncio
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from fixtures.database import connect
from fixtures.errors import InputError
from fixtures.progress import Progress
from fixtures.sizes import find_size
from fixtures.templates import ensure_template
from reference_server import seed as own_seed
from reference_server.settings import Settings, with_values
from reference_server.statements import find_strategy, read_statement
from scenarios.local_target import LocalTarget
from scenarios.place import Place, copy_of, require_loopback, running_target, serving
from scenarios.queries.parameter_classes import SQL_FOLDER

ARMS = ("base", "head")
INSTALL_SECONDS = 900.0
SEED_SECONDS = 900.0


@dataclass(frozen=True)
class Version:
    """One arm."""

    text: str  # as given
    url: str | None = None  # of a server that runs; everything else is None or empty then
    python: str = sys.executable
    tree: Path | None = None  # the code to run; None: what that Python has
    strategy: str | None = None  # None: the run's
    settings: tuple[str, ...] = ()  # NAME=VALUE
    identity: str = field(default="")  # of the code; empty: this very version

    @property
    def is_this(self) -> bool:
        """Whether it is the code that runs here, so that data sets are shared with other runs."""
        return not self.identity


def parse_version(text: str, versions_folder: Path, *, allow_remote: bool) -> Version:
    """The arm named by `text`; InputError for one that cannot be, with the way out."""
    kind, _, rest = text.partition(":")
    if text == ".":
        return Version(text)
    if kind in ("http", "https"):
        require_loopback(text, allow_remote=allow_remote)
        return Version(text, url=text)
    if kind == "strategy" and rest:
        find_strategy(rest)
        return Version(text, strategy=rest)
    if kind == "set" and rest:
        settings = tuple(rest.split(","))
        with_values(Settings(database_url="postgresql://"), list(settings))
        return Version(text, settings=settings)
    if kind == "python" and rest:
        return _installed(text, rest)
    return _checked_out(text, versions_folder)


def _installed(text: str, python: str) -> Version:
    command = [python, "-c", "import reference_server, sys; sys.stdout.write(reference_server.__file__)"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    except OSError as error:
        raise InputError(f"{text!r} cannot be run ({error.strerror}); name a Python that has chatbench") from error
    if found.returncode:
        raise InputError(f"{python} has no chatbench; install it there, or name another Python")
    return Version(text, python=python, identity=_digest(Path(found.stdout).parent.parent))


def _digest(installed: Path) -> str:
    """Changes with whatever makes the data set: of code installed anew in one place, an older one must not serve."""
    digest = hashlib.sha256()
    for folder in ("fixtures", "reference_server"):
        for path in sorted((installed / folder).rglob("*")):
            if path.suffix in {".py", ".sql"}:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _checked_out(text: str, versions_folder: Path) -> Version:
    """The code of a git ref in a folder of its own, with the packages that it needs."""
    if text.startswith("-"):
        raise InputError(f"{text!r} is no git ref; name a branch, a tag or a commit")
    commit = _git("rev-parse", "--verify", "--quiet", f"{text}^{{commit}}").decode().strip()
    if not commit:
        raise InputError(
            f"{text!r} is no git ref here, no URL and nothing of strategy:, set:, python:; see chatbench ab --help"
        )
    tree = versions_folder / commit[:12]
    if not tree.is_dir():
        part = versions_folder / f".{commit[:12]}.part"  # of an interrupted checkout nothing is taken for whole
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(fileobj=BytesIO(_git("archive", commit))) as archive:
            archive.extractall(part, filter="data")
        part.rename(tree)
    if not (tree / "reference_server" / "__main__.py").exists():
        raise InputError(f"{text!r} ({commit[:12]}) holds no reference server; name a newer commit")
    python = sys.executable if _needs(tree) == _needs(Path.cwd()) else _environment(text, tree)
    return Version(text, python=python, tree=tree.resolve(), identity=commit[:12])


def _git(*arguments: str) -> bytes:
    """What git prints; nothing when it says no."""
    command = ["git", *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=120).stdout
    except OSError as error:
        raise InputError(f"git is needed to compare refs and cannot be run: {error.strerror}") from error


def _needs(tree: Path) -> tuple[str, str]:
    """The packages that a tree's code needs, as it declares and pins them."""
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        pins = (tree / "constraints.txt").read_text(encoding="utf-8")
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "", ""
    return "\n".join(sorted(project.get("dependencies", []))), pins


def _environment(text: str, tree: Path) -> str:
    """The Python of a virtual environment with the tree's own packages; made once."""
    folder = tree / ".venv"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [*pip, "--constraint", str(tree / "constraints.txt"), str(tree)],
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
            if made.returncode:
                last = made.stderr.strip().splitlines()[-1:] or ["it said nothing"]
                raise InputError(f"{text!r} does not build: {last[0]}; mend that version, or name another")
        (folder / "ready").touch()
    return str(python)


@dataclass(frozen=True)
class Population:
    """The data set behind both arms, and the indexes over it where an arm names none of its own."""

    size: str
    seed: int
    strategy: str


@contextmanager
def servers(
    versions: tuple[Version, Version],
    cluster_url: str,
    population: Population,
    *,
    login_key: str,
    log_folder: Path,
    on_end: Callable[[str, str], None],
    is_head_first: bool = False,
) -> Iterator[dict[str, Place]]:
    """A server of each arm at once, each on a fresh copy of the same data set; both are gone afterwards.

    By the arms' names, in the order in which they were started: the cluster is not the same to the second.
    `on_end` gets an arm's name and its database once its server has ended, and before the copy goes.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    with asyncio.Runner() as runner, ExitStack() as stack:
        places: dict[str, Place] = {}
        arms = list(zip(ARMS, versions, strict=True))
        for name, version in reversed(arms) if is_head_first else arms:
            if version.url is not None:  # checked when it was parsed
                places[name] = stack.enter_context(running_target(version.url, allow_remote=True))
                continue
            template = runner.run(_template(version, cluster_url, population))
            url = stack.enter_context(copy_of(runner, cluster_url, template))
            runner.run(_without_autovacuum(url))
            stack.callback(on_end, name, url)
            log = log_folder / f"ab-{name}.log"
            server = LocalTarget(url, login_key, log, version.settings, python=version.python, tree=version.tree)
            places[name] = stack.enter_context(serving(runner, server, cluster_url, url))
        yield places


async def _without_autovacuum(url: str) -> None:
    """Otherwise it would take turns with one arm and not with the other."""
    async with connect(url) as connection:
        await connection.execute(read_statement(SQL_FOLDER / "autovacuum_off.sql").text)


async def _template(version: Version, cluster_url: str, population: Population) -> str:
    """A seeded template; other versions make theirs by their own code, with their own schema."""
    size, seed, strategy = population.size, population.seed, version.strategy or population.strategy
    if version.is_this:
        return await own_seed.ensure_template(cluster_url, size, seed, strategy)
    name = re.sub(r"\W", "_", Path(strategy).stem)

    async def fill(url: str) -> None:
        command = [version.python, "-m", "chatbench", "seed", "--size", find_size(size).name, "--seed", str(seed)]
        command += ["--strategy", strategy, "--database-url", url, "--json"]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=version.tree,
        )
        _, said = await asyncio.wait_for(process.communicate(), SEED_SECONDS)
        if process.returncode:
            last = said.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise InputError(f"{version.text!r} cannot make its data set: {last[0]}")

    return await ensure_template(cluster_url, f"{version.identity}_{size}_{seed}_{name}", fill)


def prepare(versions: tuple[Version, Version], cluster_url: str, population: Population, progress: Progress) -> None:
    """Makes the data sets of both arms, so that every block starts from a copy."""
    for number, version in enumerate(versions):
        if version.url is None:
            progress(f"data set of {version.text}", number / 2)
            asyncio.run(_template(version, cluster_url, population))
