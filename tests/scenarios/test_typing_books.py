from scenarios.typing_books import Heard, TypingBooks

MS = 1_000_000
EXPIRY_MS = 1000


def books() -> TypingBooks:
    found = TypingBooks(EXPIRY_MS * MS)
    found.add_place("p", {1, 2}, {"typists": "1"})
    return found


def test_a_start_is_timed_once_per_watcher_and_burst() -> None:
    """From the intended begin of the burst, whatever repeats it; the next burst counts anew."""
    found = books()
    place = found.places["p"]
    found.start("p", 100 * MS, 103 * MS)
    assert found.observe("p", 1, True, 110 * MS) == Heard(place, start_us=10_000)
    found.start("p", 150 * MS, 150 * MS)
    assert found.observe("p", 1, True, 160 * MS) is None
    assert found.observe("p", 2, True, 170 * MS) == Heard(place, start_us=70_000)
    found.stop("p")
    assert found.observe("p", 1, False, 180 * MS) is None
    found.start("p", 200 * MS, 200 * MS)
    assert found.observe("p", 1, True, 201 * MS) == Heard(place, start_us=1_000)
    assert (place.starts, place.events) == (3, 5)


def test_silence_is_to_be_noticed_after_the_expiry_period() -> None:
    """Counted from the last start that was sent, at every watcher, late or early."""
    found = books()
    place = found.places["p"]
    found.start("p", 100 * MS, 105 * MS)
    found.fall_silent("p")
    assert found.outstanding() == 2
    assert found.observe("p", 1, True, 110 * MS) == Heard(place, start_us=10_000)
    assert found.observe("p", 1, False, (105 + EXPIRY_MS + 7) * MS) == Heard(place, expiry_error_us=7_000)
    assert found.observe("p", 1, False, (105 + EXPIRY_MS + 8) * MS) is None
    assert place.early == 0
    assert found.observe("p", 2, False, (105 + EXPIRY_MS - 3) * MS) == Heard(place, expiry_error_us=-3_000)
    assert place.early == 1
    assert found.outstanding() == 0


def test_an_event_at_its_own_typist_is_an_echo() -> None:
    """It is counted, and nothing is timed by it."""
    found = books()
    found.start("p", 0, 0)
    assert found.observe("p", 3, True, 10 * MS) is None
    assert (found.places["p"].echoes, found.places["p"].events) == (1, 1)
    assert found.observe("elsewhere", 1, True, 10 * MS) is None
    assert found.foreign == 1


def test_a_stop_that_never_comes_is_missing_once_it_is_due() -> None:
    """At the end of the run, or when the next burst begins; one that is not due yet is not missed."""
    found = books()
    place = found.places["p"]
    found.start("p", 0, 0)
    found.fall_silent("p")
    found.observe("p", 1, False, EXPIRY_MS * MS)
    found.start("p", 5000 * MS, 5000 * MS)
    assert place.missing == 1
    found.fall_silent("p")
    found.close((5000 + EXPIRY_MS + 99) * MS, 100 * MS)
    assert (place.missing, found.outstanding()) == (1, 0)
    found.start("p", 9000 * MS, 9000 * MS)
    found.fall_silent("p")
    found.close((9000 + EXPIRY_MS + 101) * MS, 100 * MS)
    assert place.missing == 3
