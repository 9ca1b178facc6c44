"""A user of an ordinary day, as far as the user knows where they are."""

from uuid import UUID

from gevent.lock import BoundedSemaphore

from reference_server.frames import PresenceStatus
from scenarios.client.chat_client import Conversation
from scenarios.client.load_scenario import ChatUser


class Person:
    """What one user has open; one does one thing at a time."""

    def __init__(self, user: ChatUser, token: str, user_class: str) -> None:
        self.user = user
        self.token = token
        self.user_class = user_class
        self.turn = BoundedSemaphore(1)
        self.conversations: list[Conversation] = []
        self.open: Conversation | None = None
        self.cursor: str | None = None
        self.page = 1
        self.status: PresenceStatus = "online"
        self.last_sent: tuple[UUID, int] | None = None  # conversation and seq
