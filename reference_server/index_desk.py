"""The index work of one server process: one piece at a time, in the background, told while it runs and afterwards."""

import asyncio
import logging
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from reference_server import logs
from reference_server.errors import ConflictError, RefusedError
from reference_server.index_builds import IndexBuilds, Step
from reference_server.statements import Strategy

_log = logging.getLogger(__name__)

Action = Literal["apply", "drop"]


class IndexWork(msgspec.Struct):
    """What is being done, or was done last."""

    action: Action
    strategy: str
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    step: Annotated[str | None, Meta(description="What is under way, such as `build idx_active_group_members`.")] = None
    message: Annotated[str | None, Meta(description="Why it failed.")] = None


class IndexDesk:
    """Begins index work and keeps its record."""

    def __init__(self, builds: IndexBuilds) -> None:
        self.builds = builds
        self._task: asyncio.Task[None] | None = None
        self.work: IndexWork | None = None  # None before the first

    async def begin(self, action: Action, strategy: Strategy) -> IndexWork:
        """The work as it stands when it is under way or over. Dropping a strategy cancels its building.

        ConflictError while other work is under way, here or by another server.
        """
        before, work = self._task, self.work
        if before is not None and work is not None and not before.done():
            if work.strategy != strategy.name or (work.action, action) == ("drop", "apply"):
                raise ConflictError(f"{work.action} of {work.strategy!r} is under way; try again when it is done")
            if work.action == action:
                return work
            before.cancel()
        self.work = work = IndexWork(action, strategy.name)
        begun: asyncio.Future[RefusedError | None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(work, strategy, begun, before))
        if before is None or before.done():  # else it waits for what is being cancelled, and that may take its time
            refusal = await begun
            if refusal is not None:
                raise refusal
        return work

    async def close(self, timeout_seconds: float) -> None:
        """Cancels what is under way, and waits this long for it to have cleared up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=timeout_seconds)

    async def _run(
        self,
        work: IndexWork,
        strategy: Strategy,
        begun: "asyncio.Future[RefusedError | None]",
        before: "asyncio.Task[None] | None",
    ) -> None:
        """Sets `begun` when the work is under way, or to why it is not."""
        about: dict[str, Any] = {"action": work.action, "strategy": work.strategy}

        def begin(refusal: RefusedError | None = None) -> None:
            if not begun.done():
                begun.set_result(refusal)

        def on_step(step: Step | None) -> None:
            begin()
            work.step = None if step is None else f"{step.action} {step.index}"
            if step is None:
                logs.event(_log, logging.INFO, "index_work_begun", **about)
            else:
                logs.event(_log, logging.INFO, "index_step_begun", step=step.action, index=step.index, **about)

        try:
            if before is not None:
                await asyncio.wait({before})
            act = self.builds.apply if work.action == "apply" else self.builds.drop
            steps = await act(strategy, on_step)
            work.state, work.step = "done", None
            logs.event(_log, logging.INFO, "index_work_done", steps=len(steps), **about)
        except asyncio.CancelledError:
            work.state = "cancelled"
            logs.event(_log, logging.INFO, "index_work_cancelled", step=work.step, **about)
            raise
        except RefusedError as error:
            work.state, work.message = "failed", error.message
            logs.event(_log, logging.WARNING, "index_work_failed", step=work.step, reason=error.message, **about)
            begin(error)
        except Exception as error:  # noqa: BLE001 - a background task's error has nobody else to tell it
            work.state, work.message = "failed", "the server failed; its log has the reason"
            reason = type(error).__name__
            logs.event(_log, logging.ERROR, "index_work_failed", error=error, step=work.step, reason=reason, **about)
        finally:
            begin()
