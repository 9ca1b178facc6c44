"""Watches the load generator itself, and the chat server's process where it is on the same host."""

import resource
import time
from collections.abc import Callable

import gevent
import psutil

from scenarios.client.gateway_socket import ArrivalCounts
from scenarios.client.http_client import HttpPool
from scenarios.clock import ClockRelation, relate_clocks
from scenarios.generator_health import Observation
from scenarios.histograms import Recorder, histogram_of, percentile
from scenarios.process_usage import read
from scenarios.schedules import StartLog

_TIMER_SECONDS = 0.01


class HealthProbe:
    """A 10 ms timer whose lateness tells the event loop's lag, and CPU shares sampled by `sample` once per second."""

    def __init__(
        self,
        recorder: Recorder,
        server_pid: int | None,
        on_server_gone: Callable[[str], None],
        *,
        is_generator: bool = True,  # False: only the server is watched
    ) -> None:
        self._is_generator = is_generator
        self._record_lag = recorder.series("generator_loop_lag_us")
        self._record_cpu = recorder.series("generator_cpu_permille")
        self._record_server_cpu = recorder.series("server_cpu_permille")
        self._on_server_gone = on_server_gone
        self._lags_us: list[int] = []
        self._process = psutil.Process()
        self._server = psutil.Process(server_pid) if server_pid is not None else None
        self._cpu_started = 0.0
        self._started = 0.0
        self._stopped: float | None = None
        self._cpu_stopped = 0.0
        self._server_cpu_started = 0.0
        self._server_cpu_stopped: float | None = None
        self._last: tuple[float, float, float] | None = None  # time, own CPU, server's CPU
        self._first_clock = relate_clocks(time.monotonic_ns, time.time_ns)
        self._clock_step_ns = 0
        self._descriptors_most = self._process.num_fds()
        self._greenlet: gevent.Greenlet | None = None

    @property
    def clock(self) -> ClockRelation:
        """The relation of the clocks when the run began; every latency of the run uses this one."""
        return self._first_clock

    def start(self) -> None:
        """Begins probing; also the beginning of the CPU share."""
        self._started = time.monotonic()
        self._cpu_started = time.process_time()
        self._server_cpu_started = self._server_cpu_seconds()
        self._last = (self._started, self._cpu_started, self._server_cpu_started)
        if self._is_generator:
            self._greenlet = gevent.spawn(self._probe)

    def sample(self) -> None:
        """Records the CPU shares since the last sample, and looks at the clocks again."""
        if self._last is None:
            return
        now, own, server = time.monotonic(), time.process_time(), self._server_cpu_seconds()
        seconds = max(now - self._last[0], 1e-3)
        if self._is_generator:
            self._record_cpu(round(1000 * (own - self._last[1]) / seconds))
        if self._server is not None:
            self._record_server_cpu(max(0, round(1000 * (server - self._last[2]) / seconds)))
        self._last = (now, own, server)
        self._descriptors_most = max(self._descriptors_most, self._process.num_fds())
        step_ns = self._first_clock.step_ns(relate_clocks(time.monotonic_ns, time.time_ns))
        self._clock_step_ns = max(self._clock_step_ns, step_ns)

    def stop(self) -> None:
        """Ends probing; what comes later (draining, writing) is not the measured time's."""
        if self._stopped is None and self._started:
            self._stopped, self._cpu_stopped = time.monotonic(), time.process_time()
            server_cpu = self._server_cpu_seconds()
            self._server_cpu_stopped = server_cpu if self._server is not None else None
        if self._greenlet is not None:
            self._greenlet.kill(block=False)

    def observation(self, starts: StartLog, counts: ArrivalCounts, pool: HttpPool | None = None) -> Observation:
        """What this process saw of itself, once probing has ended; `pool`: None where no HTTP was used."""
        return Observation(
            loop_lag_ms_p99=self.loop_lag_ms_p99(),
            cpu_share_percent=self.cpu_share_percent(),
            started=starts.started,
            late=starts.late,
            dropped=starts.dropped,
            arrivals=counts.reads + (pool.responses if pool else 0),
            unstamped=counts.unstamped_reads + (pool.unstamped if pool else 0),
            frames=counts.frames - counts.frames_before,
            shared_stamps=counts.shared_stamps,
            descriptors_share_percent=self.descriptors_share_percent(),
            receive_queue_bytes_p99=counts.receive_queue_bytes_p99(),
            clock_step_ms=self.clock_step_ms(),
        )

    def loop_lag_ms_p99(self) -> float | None:
        """None when nothing was probed."""
        lag_us = percentile(histogram_of(self._lags_us), 99)
        return None if lag_us is None else lag_us / 1000

    def cpu_share_percent(self) -> float | None:
        """Mean of the measured time, of one core; None when there was none."""
        if self._stopped is None or self._stopped - self._started < 0.5:
            return None
        return 100 * (self._cpu_stopped - self._cpu_started) / (self._stopped - self._started)

    def descriptors_share_percent(self) -> float:
        """Open file descriptors at their peak, of those that this process may have."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return 0.0 if limit == resource.RLIM_INFINITY else 100 * self._descriptors_most / limit

    def server_cpu_us(self) -> int | None:
        """CPU that the chat server used during the measured time; None when its process is not known or gone."""
        if self._server_cpu_stopped is None:
            return None
        return round(1e6 * (self._server_cpu_stopped - self._server_cpu_started))

    def clock_step_ms(self) -> float:
        """How far CLOCK_REALTIME was seen away from where it was against CLOCK_MONOTONIC at the start."""
        return self._clock_step_ns / 1e6

    def _probe(self) -> None:
        while True:
            before = time.monotonic()
            gevent.sleep(_TIMER_SECONDS)
            lag_us = max(0, round((time.monotonic() - before - _TIMER_SECONDS) * 1e6))
            self._lags_us.append(lag_us)
            self._record_lag(lag_us)

    def _server_cpu_seconds(self) -> float:
        if self._server is None:
            return 0.0
        reading = read(self._server)
        if reading is not None:
            return reading.cpu_seconds
        pid, self._server = self._server.pid, None
        self._on_server_gone(f"the chat server's process {pid} ended during the run")
        return 0.0
