"""What the users of an ordinary day do, who does it, and when: every number beside its source. Pure."""

from fixtures.sizes import SHAPE
from scenarios.behaviour import Behaviour, UserClass
from scenarios.day_shape import HOURS, DayShape
from scenarios.workload import Row

_OF_A_POST = "actions per message sent"
_NOT_DONE = "this chat has none, so it is left out"

WORKLOAD = {
    "rate": Row(30, "actions/s", "guess: the mean of the day; its busiest hour has 1.6 times as many"),
    "day_seconds": Row(20, "s", "guess: a day that fits a short run, most of a second per hour"),
    "objective_ms": Row(200, "ms", "guess: what feels immediate, with room for the network that loopback lacks"),
    "objective_share_percent": Row(99, "% of actions", "guess: one in a hundred may be slow"),
    "deadline_ms": Row(1000, "ms", "guess: later than this a conversation stops feeling live"),
    "settle_seconds": Row(8, "s", "guess: a message's last recipient is waited for this long"),
    # What is done, relative to a post.
    "open_weight": Row(
        6.52, _OF_A_POST, "cited: Mattermost, switch channel; here its newest page, then marked as read"
    ),
    "scroll_weight": Row(1.99, _OF_A_POST, "cited: Mattermost, scroll channel; here the next older page"),
    "list_weight": Row(
        1, _OF_A_POST, "cited: Mattermost, unread check; here the list, which carries the unread counts"
    ),
    "send_weight": Row(1, _OF_A_POST, "cited: Mattermost, create post, the measure of the others"),
    "direct_weight": Row(0.98, _OF_A_POST, "cited: Mattermost, open direct or group; here the direct one"),
    "reconnect_weight": Row(0.144, _OF_A_POST, "cited: Mattermost, reconnect the socket; here with resume"),
    "edit_weight": Row(0.04, _OF_A_POST, "cited: Mattermost, edit; here one's own last message"),
    "status_weight": Row(
        0.5, _OF_A_POST, "guess: away and back around each pause; Zulip's 36 % are polls, here the gateway's pings"
    ),
    "react_weight": Row(0, _OF_A_POST, f"cited: Mattermost, 0.13 reactions; {_NOT_DONE}"),
    "search_weight": Row(0, _OF_A_POST, f"cited: Mattermost, 0.022 searches; {_NOT_DONE}"),
    # Who does it.
    "idle_share": Row(0.4, "of users", "guess: a tab in the background"),
    "idle_activity": Row(0.2, "relative to a reader", "guess: looks whether something is new"),
    "reader_share": Row(0.3, "of users", "guess"),
    "reader_activity": Row(1, "relative to a reader", "guess: the measure of the others"),
    "chatter_share": Row(0.2, "of users", "guess: a few people write most of what is written"),
    "chatter_activity": Row(3, "relative to a reader", "guess"),
    "lurker_share": Row(0.1, "of users", "guess: reads large groups and says nothing"),
    "lurker_activity": Row(0.5, "relative to a reader", "guess"),
    # Where they write.
    "team_size": Row(8, "members", "guess: a team"),
    "direct_partners": Row(3, "per chatter", "guess: those whom one writes to in a day"),
    "direct_send_share": Row(0.5, "of messages", "guess: half of what is written is for one person"),
    "team_send_share": Row(0.45, "of messages", "guess"),
    "room_send_share": Row(0.05, "of messages", "guess: to everyone, now and then"),
    "typing_seconds": Row(0.3, "s before a message", "guess: a few words; the day passes thousands of times faster"),
    "page_size": Row(50, "messages", "cited: the roadmap's getMessages default"),
    "list_size": Row(20, "conversations", "guess: what a screen shows"),
    "http_connections": Row(30, "connections", "guess: opened ahead, so that connecting is not measured"),
}
_READS = ("open", "scroll", "list")
_ALL = ("reconnect", "status")
_CLASS_ACTIONS = {
    "idle": ("list", *_ALL),
    "reader": (*_READS, "direct", *_ALL),
    "chatter": (*_READS, "direct", "send", "edit", *_ALL),
    "lurker": (*_READS, *_ALL),
}
# The hours at which the data set's messages were written; linear between full hours, and midnight is midnight.
DAY = DayShape(tuple((float(hour), float(SHAPE.hour_weights[hour % 24])) for hour in range(int(HOURS) + 1)))


def value(name: str) -> float:
    """A number of the table."""
    return float(WORKLOAD[name].value)


def day_behaviour() -> Behaviour:
    """Who does what, how often."""
    actions = [name.removesuffix("_weight") for name in WORKLOAD if name.endswith("_weight")]
    return Behaviour(
        {action: value(f"{action}_weight") for action in actions},
        [
            UserClass(name, value(f"{name}_share"), value(f"{name}_activity"), does)
            for name, does in _CLASS_ACTIONS.items()
        ],
    )
