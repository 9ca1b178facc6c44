"""The doctor looks at this very machine."""

from pathlib import Path

from scenarios import doctor


def test_every_check_finds_something(postgres, tmp_path: Path) -> None:
    """Each check reports a value it measured and a known status."""
    findings = list(doctor.examine(tmp_path, postgres.url("postgres")))
    assert [finding.check for finding in findings] == [
        "processors",
        "file descriptors",
        "kernel timestamps",
        "timer",
        "disk space",
        "fsync",
        "PostgreSQL",
        "noise",
    ]
    assert all(finding.status in ("ok", "warning", "failure") and finding.found for finding in findings)
    assert all(finding.advice for finding in findings if finding.status != "ok")


def test_a_database_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    """An unreachable PostgreSQL is named, with the reason."""
    finding = doctor.check_postgres(tmp_path, "postgresql://postgres@127.0.0.1:1/postgres")
    assert finding.status == "failure"
    assert "127.0.0.1:1" in finding.found


def test_noise_compares_halves_and_alternate_blocks() -> None:
    """A drift shows one after the other and cancels out interleaved: 1 1 2 2 against 1 2 1 2."""
    drifting = [1.0, 1.0, 2.0, 2.0]
    assert doctor.a_a_difference(drifting, interleaved=False) == 1.0
    assert doctor.a_a_difference(drifting, interleaved=True) == 0.0
