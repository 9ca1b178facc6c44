"""A workload table as a run records it."""

from scenarios.workload import Row, workload_records

TABLE = {"rate": Row(40, "messages/s", "guess: busy"), "sizes": Row("2,10", "members", "cited: a study")}


def test_a_number_keeps_its_source_until_the_run_is_told_another() -> None:
    """Options replace numbers of their name, and are named as the source; others are none of the table's."""
    kept, own = workload_records(TABLE, {"rate": 40.0, "sizes": "3", "host": "http://127.0.0.1"})
    assert (kept.name, kept.value, kept.unit, kept.source) == ("rate", "40", "messages/s", "guess: busy")
    assert (own.value, own.source) == ("3", "given: this run's option; 2,10 when none is")
