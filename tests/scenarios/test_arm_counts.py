"""Statements of two arms are counted for both or for neither."""

import socket

from scenarios.arm_counts import executed_statements, statement_counts


def test_statements_are_those_between_two_readings() -> None:
    """By arm and statement; one that was not executed is none."""
    before = {"base": {"one": 5}, "head": {}}
    after = {"base": {"one": 8, "two": 1}, "head": {"one": 3, "two": 0}}
    counts, warnings = statement_counts(dict(before), dict(after))
    found = {(count.labels["arm"], count.labels["statement"]): count.value for count in counts}
    assert found == {("base", "one"): 3, ("base", "two"): 1, ("head", "one"): 3}
    assert warnings == []


def test_where_one_arm_does_not_answer_neither_is_counted() -> None:
    """Before or after; the other's statements alone would be called a difference."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # and does not listen
        silent = executed_statements({"head": f"http://127.0.0.1:{listener.getsockname()[1]}"})["head"]
    for before, after in ((silent, {"one": 3}), ({"one": 1}, silent)):
        counts, warnings = statement_counts({"base": {}, "head": before}, {"base": {"one": 3}, "head": after})
        assert counts == []
        assert warnings == ["statements are not compared in this block: head did not answer at /metrics"]
