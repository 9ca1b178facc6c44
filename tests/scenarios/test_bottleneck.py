from scenarios.bottleneck import BOUNDS, step_figures, what_gave_way
from scenarios.run_records import ServerSecond


def second(**figures: float) -> ServerSecond:
    return ServerSecond(second=0, scenario="fanout", seconds=1.0, **figures)  # type: ignore[arg-type]


def test_means_are_of_what_was_observed() -> None:
    """Shares of all cores where that is what is used up; the wait per connection, not per second."""
    lines = [
        second(server_cpu_percent=80, database_cpu_percent=60, host_cpu_percent=90, pool_waits=10, pool_wait_ms_sum=30),
        second(
            server_cpu_percent=100, database_cpu_percent=80, host_cpu_percent=100, pool_waits=30, pool_wait_ms_sum=50
        ),
    ]
    figures = step_figures(lines, generator_cpu_percent=20, cores=2)
    assert figures == {
        "server_cpu_percent": 90,
        "database_cpu_percent": 35,
        "host_cpu_percent": 95,
        "pool_wait_ms": 2,
        "others_cpu_percent": 95 - (90 + 70 + 20) / 2,
    }
    assert set(figures) <= set(BOUNDS)


def test_causes_come_before_their_symptoms() -> None:
    """A server without CPU to spare also makes its pool and its event loop wait."""
    sentences = what_gave_way([{"loop_lag_ms": 300, "pool_wait_ms": 20, "server_cpu_percent": 98, "lock_waiting": 0.1}])
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "CPU of the chat server",
        "wait for a database connection",
        "the chat server's event loop",
    ]
    assert "98 % of one core" in sentences[0]


def test_nothing_used_up_is_said_and_what_came_nearest() -> None:
    """No culprit is made up."""
    (sentence,) = what_gave_way([{"server_cpu_percent": 40.0, "lock_waiting": 0.8}])
    assert sentence.startswith(
        "nothing that was observed was used up by this load; nearest came locks in the database: 0.8"
    )


def test_what_is_used_up_at_light_loads_too_is_no_cause() -> None:
    """A busy neighbour is told, last; the server that filled up with the load is named first."""
    missed = [{"others_cpu_percent": 70.0, "server_cpu_percent": 95.0}]
    light = [{"others_cpu_percent": 75.0, "server_cpu_percent": 30.0}]
    server, others = what_gave_way(missed, light)
    assert server.startswith("CPU of the chat server: 95 %")
    assert others.startswith("other programs on this machine: 70 %")
    assert others.endswith("as at loads far below")
    nothing, _ = what_gave_way([{"others_cpu_percent": 70.0, "server_cpu_percent": 40.0}], light)
    assert nothing.startswith("nothing that was observed was used up by this load; nearest came CPU of the chat server")


def test_nothing_observed_is_said() -> None:
    """Of somebody else's server, perhaps nothing is known."""
    assert what_gave_way([{}]) == ["nothing was observed of the server, so what gave way is not known"]
    assert step_figures([], generator_cpu_percent=None, cores=2) == {}
