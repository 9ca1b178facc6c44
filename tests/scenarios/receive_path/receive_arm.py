"""One arm of the receive benchmark: connects, receives for a while, prints deliveries and CPU seconds as JSON.

    receive_arm.py chatbench|deep_queues|greenlets|websocket_client PORT CONNECTIONS SECONDS

`chatbench` is the load generator's own receive path with everything it does per delivery: kernel stamps, decoding,
ledger, first/median/p95/last, eight histograms, flushed every second. `deep_queues` is the same after pauses in which
nothing is read, so that each wake brings many frames. `greenlets` and `websocket_client` do the least
a client must: decode the event and record its latency in one histogram.
"""

# ruff: noqa: E402, PLC0415 - patching comes before all other imports, and each arm imports only its own client
from gevent import monkey

monkey.patch_all()

import json
import os
import sys
import time
from contextlib import closing

import gevent
import msgspec
from hdrh.histogram import HdrHistogram

CONVERSATION = "01980000-0000-7000-8000-000000000001"


PAUSE_SECONDS = 0.5  # 50 frames queue up at each connection


def chatbench_arm(port: int, connections: int, seconds: float, kind: str) -> dict[str, float]:
    """Receives with scenarios.client."""
    from scenarios.client.delivery_books import DeliveryBooks, DeliverySeries
    from scenarios.client.gateway_client import GatewayClient
    from scenarios.histograms import Recorder, merge, percentile
    from scenarios.ledger import Ledger

    ledger = Ledger("benchmark", deadline_ns=10**9, settle_after_ns=3 * 10**9)
    recorder = Recorder("1", {"scenario": "benchmark"})
    books = DeliveryBooks(ledger, "0badcafe")
    series = DeliverySeries(recorder)
    conversation = ledger.add_conversation(CONVERSATION, {"group_size": str(connections)})
    clients = []
    for number in range(connections):
        client = GatewayClient()
        recipient = ledger.add_recipient(str(number))
        client.on_message = books.receiver(recipient)
        clients.append(client)
        recipient.join(conversation, 0)
    gevent.joinall(
        [gevent.spawn(client.connect, f"ws://127.0.0.1:{port}", "t") for client in clients], raise_error=True
    )
    gevent.sleep(0.5)
    counts = [client.counts for client in clients]
    lines = []

    def flush() -> None:
        # Stands in for the sender's acknowledgements, which the plain server has not got.
        for seq in list(conversation.open):
            if seq not in conversation.acknowledged:
                ledger.sent(CONVERSATION, seq, conversation.open[seq].intended_ns, 63)
        books.settle(time.time_ns(), series.record)
        lines.extend(recorder.flush(0))

    before, reads = sum(count.frames for count in counts), sum(count.reads for count in counts)
    pause = monkey.get_original("time", "sleep") if kind == "deep_queues" else gevent.sleep
    cpu = time.process_time()
    for _ in range(round(seconds / PAUSE_SECONDS)):
        pause(PAUSE_SECONDS)
        gevent.sleep(0.01)  # reads what waits; as many loops as it takes
        flush()
    cpu = time.process_time() - cpu
    deliveries = sum(count.frames for count in counts) - before
    delivery = merge(line.payload for line in lines if line.metric == "delivery_us")
    return {
        "deliveries": deliveries,
        "cpu_seconds": cpu,
        "wakes": sum(count.reads for count in counts) - reads,
        "p50_ms": percentile(delivery, 50) / 1000,
        "p99_ms": percentile(delivery, 99) / 1000,
    }


def greenlet_arm(port: int, connections: int, seconds: float, kind: str) -> dict[str, float]:
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

    for _ in range(connections):
        gevent.spawn(receive)
    gevent.sleep(2)
    before, cpu = count[0], time.process_time()
    gevent.sleep(seconds)
    cpu = time.process_time() - cpu
    return {
        "deliveries": count[0] - before,
        "cpu_seconds": cpu,
        "p50_ms": histogram.get_value_at_percentile(50) / 1000,
        "p99_ms": histogram.get_value_at_percentile(99) / 1000,
    }


def main() -> None:
    """Runs the arm named on the command line."""
    kind, port, connections, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    arm = chatbench_arm if kind in {"chatbench", "deep_queues"} else greenlet_arm
    sys.stdout.write(json.dumps(arm(port, connections, seconds, kind)))
    sys.stdout.flush()


main()
os._exit(0)  # the greenlets still receive, and nobody waits for them
