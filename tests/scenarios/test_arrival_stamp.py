import socket
import time

from scenarios.client import arrival_stamp


def test_the_kernel_stamps_what_it_receives() -> None:
    """The stamp lies between sending and reading, however late the reader comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
        with sender, receiver:
            assert arrival_stamp.ask_for_stamps(receiver)
            stamps = []
            for _ in range(3):  # the first segment after switching on may carry none
                before = time.time_ns()
                sender.sendall(b"x")
                after = time.time_ns()
                while time.time_ns() < after + 20_000_000:
                    pass  # a busy reader
                _, ancillary, _, _ = receiver.recvmsg_into(arrival_stamp.READ_BUFFERS, arrival_stamp.ANCILLARY_BYTES)
                stamps.append((before, arrival_stamp.stamp_ns(ancillary), after))
            before, stamp, after = stamps[-1]
            assert before <= stamp < after + 20_000_000


def test_no_stamp_reads_as_zero() -> None:
    """Where the kernel says nothing, nothing is made up."""
    assert arrival_stamp.stamp_ns([]) == 0
    assert arrival_stamp.stamp_ns([(socket.SOL_SOCKET, 99, b"x" * 16)]) == 0
    assert arrival_stamp.stamp_ns([(socket.SOL_SOCKET, arrival_stamp.SO_TIMESTAMPNS, b"x")]) == 0


def test_a_stamp_is_nanoseconds_since_1970() -> None:
    """Seconds and nanoseconds add up."""
    data = (3).to_bytes(8, "little") + (7).to_bytes(8, "little")
    assert arrival_stamp.stamp_ns([(socket.SOL_SOCKET, arrival_stamp.SO_TIMESTAMPNS, data)]) == 3_000_000_007
