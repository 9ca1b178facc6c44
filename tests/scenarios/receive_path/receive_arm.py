"""One arm of the receive benchmark: connects, receives for a while, prints deliveries and CPU seconds as JSON.

    receive_arm.py chatbench|deep_queues|greenlets|websocket_client PORT CONNECTIONS SECONDS [CPU_SHARE BEGIN]

`chatbench` is the load generator's own receive path with everything it does per delivery: kernel stamps, decoding,
ledger, first/median/p95/last, eight histograms, flushed every second. `deep_queues` is the same after pauses in which
nothing is read, so that each wake brings many frames. With CPU_SHARE (0 … 1), both burn CPU beside it, in slices,
until the process has used that much, as other work of a generator does; they measure from BEGIN on (CLOCK_REALTIME,
in seconds), and tell what the run's own judgement says of such a generator. `greenlets` and `websocket_client` do the
least a client must: decode the event and record its latency in one histogram.
"""

# ruff: noqa: E402, PLC0415 - patching comes before all other imports, and each arm imports only its own client
from gevent import monkey

monkey.patch_all()

import json
import os
import sys
import time
from contextlib import closing
from dataclasses import asdict
from typing import Any

import gevent
import msgspec
from hdrh.histogram import HdrHistogram

CONVERSATION = "01980000-0000-7000-8000-000000000001"
BURN_SECONDS = 0.002  # as long as making histograms or a page of JSON keeps an event loop
PAUSE_SECONDS = 0.5  # 50 frames queue up at each connection


def burn(cpu_share: float) -> None:
    """Keeps the process's share of a core at the given one; time that others took from it is not made up for."""
    looked, cpu = time.monotonic(), time.process_time()
    while True:
        until = time.process_time() + BURN_SECONDS
        while time.process_time() < until:
            pass
        used, passed = time.process_time() - cpu, time.monotonic() - looked
        looked, cpu = time.monotonic(), time.process_time()
        gevent.sleep(max(0.0, used / cpu_share - passed))


def tell(figures: dict[str, Any]) -> None:
    """Prints them and ends: the greenlets still receive, and nobody waits for them."""
    sys.stdout.write(json.dumps(figures))
    sys.stdout.flush()
    os._exit(0)


def chatbench_arm(  # noqa: PLR0917 - the command line's
    port: int, connections: int, seconds: float, kind: str, cpu_share: float = 0, begin: float = 0
) -> None:
    """Receives with scenarios.client."""
    from scenarios.client.delivery_books import DeliveryBooks, DeliverySeries
    from scenarios.client.gateway_client import GatewayClient
    from scenarios.client.gateway_socket import ArrivalCounts
    from scenarios.client.health_probe import HealthProbe
    from scenarios.generator_health import judge
    from scenarios.histograms import Recorder, merge, percentile
    from scenarios.ledger import Ledger
    from scenarios.schedules import StartLog

    ledger = Ledger("benchmark", deadline_ns=10**9, settle_after_ns=3 * 10**9)
    recorder = Recorder("1", {"scenario": "benchmark"})
    books = DeliveryBooks(ledger, "0badcafe")
    series = DeliverySeries(recorder)
    conversation = ledger.add_conversation(CONVERSATION, {"group_size": str(connections)})
    clients, counts = [], ArrivalCounts()
    for number in range(connections):
        client = GatewayClient(counts=counts)
        recipient = ledger.add_recipient(str(number))
        client.on_message = books.receiver(recipient)
        clients.append(client)
        recipient.join(conversation, 0)
    gevent.joinall(
        [gevent.spawn(client.connect, f"ws://127.0.0.1:{port}", "t") for client in clients], raise_error=True
    )
    lines = []
    probe = HealthProbe(recorder, None, lambda _reason: None)

    def flush() -> None:
        # Stands in for the sender's acknowledgements, which the plain server has not got.
        for seq in list(conversation.open):
            if seq not in conversation.acknowledged:
                ledger.sent(CONVERSATION, seq, conversation.open[seq].intended_ns, 63)
        books.settle(time.time_ns(), series.record)
        lines.extend(recorder.flush(0))

    if cpu_share:
        gevent.spawn(burn, cpu_share)
    gevent.sleep(max(0.5, begin - time.time()))
    flush()
    lines.clear()  # of before
    counts.begin_measuring()
    probe.start()
    reads = counts.reads
    pause = monkey.get_original("time", "sleep") if kind == "deep_queues" else gevent.sleep
    cpu = time.process_time()
    for _ in range(round(seconds / PAUSE_SECONDS)):
        pause(PAUSE_SECONDS)
        gevent.sleep(0.01)  # reads what waits; as many loops as it takes
        flush()
    cpu = time.process_time() - cpu
    probe.stop()
    delivery, observed = (
        merge(line.payload for line in lines if line.metric == metric)
        for metric in ("delivery_us", "delivery_observed_us")
    )
    observation = probe.observation(StartLog(), counts)
    tell(
        {
            "deliveries": observation.frames,
            "cpu_seconds": cpu,
            "wakes": counts.reads - reads,
            "p50_ms": percentile(delivery, 50) / 1000,
            "p99_ms": percentile(delivery, 99) / 1000,
            "observed_p50_ms": percentile(observed, 50) / 1000,
            **asdict(observation),
            "reasons": judge(observation).reasons,
        }
    )


def greenlet_arm(port: int, connections: int, seconds: float, kind: str) -> None:
    """Receives with a greenlet per connection."""
    if kind == "greenlets":
        from websockets.sync.client import connect

        def open_one():
            return connect(f"ws://127.0.0.1:{port}", compression=None, subprotocols=["chat.v1.json"])
    else:
        import websocket

        def open_one():
            return closing(websocket.create_connection(f"ws://127.0.0.1:{port}", subprotocols=["chat.v1.json"]))

    histogram = HdrHistogram(1, 600_000_000, 3)
    count = [0]

    def receive() -> None:
        with open_one() as connection:
            connection.send('{"t":"authenticate","token":"t"}')
            connection.recv()
            while True:
                event = msgspec.json.decode(connection.recv())
                histogram.record_value(max(1, (time.time_ns() - int(event["b"][22:38], 16)) // 1000))
                count[0] += 1

    def measure() -> None:
        sleep = monkey.get_original("time", "sleep")
        sleep(2)
        before, cpu = count[0], time.process_time()
        sleep(seconds)
        cpu = time.process_time() - cpu
        tell(
            {
                "deliveries": count[0] - before,
                "cpu_seconds": cpu,
                "p50_ms": histogram.get_value_at_percentile(50) / 1000,
                "p99_ms": histogram.get_value_at_percentile(99) / 1000,
            }
        )

    # A thread of its own: on a busy machine these greenlets never let a timer of theirs come due.
    monkey.get_original("_thread", "start_new_thread")(measure, ())
    gevent.joinall([gevent.spawn(receive) for _ in range(connections)])


def main() -> None:
    """Runs the arm named on the command line."""
    kind, port, connections, *numbers = sys.argv[1:]
    seconds, *share_and_begin = (float(number) for number in numbers)
    if kind in {"chatbench", "deep_queues"}:
        chatbench_arm(int(port), int(connections), seconds, kind, *share_and_begin)
    else:
        greenlet_arm(int(port), int(connections), seconds, kind)


main()
