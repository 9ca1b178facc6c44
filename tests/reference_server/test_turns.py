import asyncio

from reference_server.turns import Turn, WaitingCount


def test_those_who_wait_are_counted() -> None:
    """Over all turns that share the count; who holds one does not wait, nor who gave up."""

    async def main() -> None:
        count = WaitingCount()
        one, other = Turn(count), Turn(count)
        async with one, other:
            waiting = [asyncio.ensure_future(turn.acquire()) for turn in (one, one, other)]
            await asyncio.sleep(0)
            assert count.waiting == 3
            waiting[0].cancel()
            await asyncio.wait(waiting[:1])
            assert count.waiting == 2
        await asyncio.gather(*waiting[1:])
        assert count.waiting == 0

    asyncio.run(main())
