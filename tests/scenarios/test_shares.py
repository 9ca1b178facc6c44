"""Parts of a run share one bar."""

from scenarios.shares import Shares


def test_a_part_starts_where_the_one_before_ends() -> None:
    """10 s, 30 s and 60 s: the second part goes from 10 % to 40 %."""
    told: list[tuple[str, float]] = []
    shares = Shares({"preparing": 10, "fanout": 30, "queries": 60}, lambda step, share: told.append((step, share)))
    progress = shares.of("fanout")
    progress("sending", 0.0)
    progress("draining", 1.0)
    shares.of("queries")("done", 1.0)
    assert told == [("sending", 0.1), ("draining", 0.4), ("done", 1.0)]
