"""Rate limits per user: token buckets, pure, with the clock passed in.

A bucket refills at `per_second` and holds `burst` at most. All that must be kept of one is the moment at which it
will be full again (the generic cell rate algorithm), and of a full one nothing: memory is bounded by forgetting those.
"""

from collections.abc import Hashable


class TokenBuckets:
    """One bucket per key, each full at first."""

    def __init__(self, per_second: float, burst: float, keys_max: int = 100_000) -> None:
        assert per_second > 0
        self._interval_seconds = 1 / per_second
        # How far from full a bucket may be and still give one.
        self._reach_seconds = (max(burst, 1.0) - 1) / per_second
        self._keys_max = keys_max
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, now: float) -> float:
        """0 when one was taken; otherwise the seconds until there is one, and nothing was taken."""
        full_at = max(self._full_at.get(key, now), now)
        wait_seconds = full_at - now - self._reach_seconds
        if wait_seconds > 1e-9:  # a sum of intervals is not exact
            return wait_seconds
        self._full_at[key] = full_at + self._interval_seconds
        if len(self._full_at) > self._keys_max:
            self._forget(now)
        return 0.0

    def __len__(self) -> int:
        """How many buckets are remembered."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        """Drops the full ones; when those are few, the fuller half of all: its users are wronged the least."""
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > self._keys_max // 2:
            emptiest_first = sorted(self._full_at.items(), key=lambda item: item[1], reverse=True)
            self._full_at = dict(emptiest_first[: self._keys_max // 2])


class RateLimit:
    """One limit of the settings; without a rate it lets everything through."""

    def __init__(self, per_second: float | None, burst_seconds: float) -> None:
        self.per_second = per_second
        self._buckets = TokenBuckets(per_second, per_second * burst_seconds) if per_second is not None else None

    def wait_seconds(self, key: Hashable, now: float) -> float:
        """0 when the key may go on; otherwise how long it must wait."""
        return self._buckets.take(key, now) if self._buckets is not None else 0.0
