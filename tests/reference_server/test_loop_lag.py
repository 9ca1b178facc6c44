import asyncio
import time

from reference_server.loop_lag import LoopLag


def test_a_busy_loop_is_seen() -> None:
    """Work that holds the loop shows at once, and stays in sight after it."""

    async def main() -> None:
        lag = LoopLag()
        time.sleep(0.3)  # the work itself
        assert lag.worst_seconds > 0.1
        while not lag._lags:
            await asyncio.sleep(0)
        assert lag.worst_seconds > 0.1
        lag.close()

    asyncio.run(main())
