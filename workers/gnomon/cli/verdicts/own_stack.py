"""The broker and workers of a drill, in a folder that is removed afterwards."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gnomon.cli.texts.saying import say
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.operations.local_stack import LocalStack


@asynccontextmanager
async def own_stack(
    settings: Settings, *, shadow_workers: int = 1, secure: bool = False
) -> "AsyncIterator[LocalStack]":
    """Start them; SIGTERM cancels the drill.

    Args:
        settings: Of the command; of these only the level of the log counts.
        shadow_workers: Number of workers of the shadow stage.
        secure: Whether the broker lets in over TLS only.
    """
    from gnomon.operations.local_stack import LocalStack  # noqa: PLC0415  only in gnomon[all]
    from gnomon.stages import STAGES  # noqa: PLC0415

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="gnomon-drill-") as folder:
        own = Settings.from_env({"GNOMON_DATA_DIR": folder, "GNOMON_LOG_LEVEL": settings.log_level})
        async with LocalStack(
            own,
            own_broker=True,
            stages=STAGES,
            progress=say,
            copies={"shadow": shadow_workers},
            secure=secure,
        ) as stack:
            yield stack
