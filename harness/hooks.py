"""Hooks of methods, called whether they are coroutine functions or not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


async def call_hook(hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call a hook of a method, in a thread if it is not a coroutine function.

    The thread is the call's own: a synchronous agent waits in it for its episode and its model,
    which may need a thread of the shared pool themselves.
    """
    if inspect.iscoroutinefunction(hook):
        return await hook(*arguments)
    own = ThreadPoolExecutor(1, thread_name_prefix="harness-hook")
    try:
        result = await asyncio.get_running_loop().run_in_executor(own, hook, *arguments)
    finally:
        own.shutdown(wait=False)
    return await result if inspect.isawaitable(result) else result
