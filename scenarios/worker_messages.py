"""Contract: what the master and the workers of a distributed load run tell each other.

    master                                      worker
    ClockQuestion  ──▶  (several)               ◀── ClockAnswer
    Assignment     ──▶                              logs in, opens its books; users connect
                                                ◀── Connected
    Begin          ──▶                              measures
    Elsewhere      ──▶                          ◀── Report   (each second)
    Meet           ──▶                          ◀── Arrived  (where all wait for each other)
    StopStarting   ──▶                              its sends are answered
                                                ◀── Report, SendsAnswered
    Elsewhere, CloseBooks ──▶                       waits for what is outstanding
                                                ◀── Report, Handover

Locust's channel keeps the order, so a worker that is told to close its books knows every send of the run. Times on the
channel are CLOCK_REALTIME of the master in ns.
"""

from typing import Any

import msgspec

from scenarios.accounts import Account
from scenarios.run_records import HistogramLine

Key = Any  # of a conversation in a ledger: str or bytes, of which msgspec decodes no union


class Acknowledged(msgspec.Struct, array_like=True, frozen=True):
    """One send that the server took."""

    key: Key
    seq: int
    intended_ns: int
    content_bytes: int


class MessagePart(msgspec.Struct, array_like=True, frozen=True):
    """One message as one worker's recipients had it when its books closed there."""

    key: Key
    seq: int
    intended_ns: int
    content_bytes: int
    expected: int
    arrivals: list[int]
    superseded: list[int]


class ClockQuestion(msgspec.Struct, tag="clock_question", frozen=True):
    """Asks for the time."""

    number: int


class Assignment(msgspec.Struct, tag="assignment", frozen=True, kw_only=True):
    """What a worker does in the run that begins."""

    index: int
    count: int
    host: str  # the chat server, as the master reaches it
    user_count: int  # of the run; this worker's are index, index + count, …
    token: str
    started_at: str  # the run folder's beginning
    clock_offset_ns: int
    plan: bytes  # the scenario's own, as it encodes it


class Begin(msgspec.Struct, tag="begin", frozen=True):
    """The moment at which every worker begins to measure."""

    at_ns: int


class Elsewhere(msgspec.Struct, tag="elsewhere", frozen=True):
    """Sends that other workers made: what the receiver's own recipients are to receive."""

    acknowledged: list[Acknowledged]


class Meet(msgspec.Struct, tag="meet", frozen=True, kw_only=True):
    """Every worker has come to this point of the run: all go on together."""

    number: int
    at_ns: int
    values: list[bytes]  # what each brought, in the order of their seats
    is_teller: bool  # whether the receiver records what they come to


class StopStarting(msgspec.Struct, tag="stop_starting", frozen=True):
    """The measured time is over."""


class CloseBooks(msgspec.Struct, tag="close_books", frozen=True):
    """Every send of the run is known: wait for what is outstanding, and hand over."""


class ClockAnswer(msgspec.Struct, tag="clock_answer", frozen=True):
    """A worker's CLOCK_REALTIME, and which boot of which host it counts from."""

    number: int
    realtime_ns: int
    boot: str


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """A worker cannot take part."""

    sentence: str


class Connected(msgspec.Struct, tag="connected", frozen=True):
    """A worker's users are there, or are not waited for any longer."""


class GaveUp(msgspec.Struct, tag="gave_up", frozen=True):
    """A worker found that the run must not go on; its account says why."""


class Report(msgspec.Struct, tag="report", frozen=True, kw_only=True):
    """What happened at a worker since its last report; the counts are of the whole run so far."""

    lines: list[HistogramLine]
    acknowledged: list[Acknowledged]
    parts: list[MessagePart]
    started: int
    late: int
    failed: int
    frames: int


class Arrived(msgspec.Struct, tag="arrived", frozen=True):
    """A worker waits for the others at a point of the run; points count from 1."""

    number: int
    value: bytes


class SendsAnswered(msgspec.Struct, tag="sends_answered", frozen=True):
    """Nothing that this worker sent waits for its answer any more, or is waited for any longer."""


class Handover(msgspec.Struct, tag="handover", frozen=True):
    """A worker's books are closed."""

    account: Account
    findings: bytes  # the scenario's own, as it encodes them


FromMaster = ClockQuestion | Assignment | Begin | Elsewhere | Meet | StopStarting | CloseBooks
FromWorker = ClockAnswer | Refused | Connected | GaveUp | Report | Arrived | SendsAnswered | Handover

CHANNEL = "chatbench"  # how Locust names these messages
encode = msgspec.msgpack.Encoder().encode
_from_master: Any = msgspec.msgpack.Decoder(FromMaster)
_from_worker: Any = msgspec.msgpack.Decoder(FromWorker)


def decode_from_master(data: bytes) -> FromMaster:
    """What the master said."""
    message: FromMaster = _from_master.decode(data)
    return message


def decode_from_worker(data: bytes) -> FromWorker:
    """What a worker said."""
    message: FromWorker = _from_worker.decode(data)
    return message
