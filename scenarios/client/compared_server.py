"""A chat server that one generator compares with others on the same database: the target, or one of its peers."""

from dataclasses import dataclass, field
from uuid import UUID

from fixtures.errors import InputError
from scenarios.client.chat_client import ChatClient
from scenarios.client.http_client import HttpPool
from scenarios.client.run_options import check_target
from scenarios.client.run_session import RunSession
from scenarios.peers import parse_peers


@dataclass(eq=False)
class ComparedServer:
    """One of them, and the tokens that it signed: each server takes its own only."""

    name: str
    chat: ChatClient
    tokens: dict[UUID, str] = field(default_factory=dict)

    def token(self, user: UUID) -> str:
        """The user's token."""
        if user not in self.tokens:
            self.tokens[user] = self.chat.login(user)
        return self.tokens[user]

    def check_dataset(self, session: RunSession) -> None:
        """InputError unless the server serves what the target serves."""
        if self.chat.dataset() != session.dataset:
            raise InputError(f"the server {self.name!r} holds another data set; start it on the target's database")


def peer_clients(session: RunSession, text: str) -> dict[str, ChatClient]:
    """A client for each server of --peers, by name."""
    key = session.options.login_key
    return {name: ChatClient(HttpPool(url), url, key) for name, url in parse_peers(text).items()}


def checked_peers(text: str, own_names: set[str], *, allow_remote: bool) -> str:
    """The names of --peers, as the record keeps them; InputError for what cannot be loaded or has the target's name."""
    peers = parse_peers(text)
    for url in peers.values():
        check_target(url, allow_remote=allow_remote)
    if taken := own_names & set(peers):
        raise InputError(f"--peers {text!r}: {min(taken)!r} names the target; choose another")
    return ",".join(peers)
