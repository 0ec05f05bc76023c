"""What the server keeps between requests, bounded; and the order in which it draws."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from pnr_jax.studio.refusals import Refusal

T = TypeVar("T")


class Kept(Generic[T]):
    """Values under keys that nobody guesses; beyond `limit` the least recently used one goes."""

    def __init__(self, limit: int, missing: str):
        """Keeps up to `limit` values; `missing` is the sentence for a key that is not there."""
        self._limit, self._missing = limit, missing
        self._values: OrderedDict[str, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: T) -> str:
        """Keeps a value and returns its key."""
        key = secrets.token_urlsafe(12)
        self._values[key] = value
        if len(self._values) > self._limit:
            self._values.popitem(last=False)
        return key

    def __getitem__(self, key: str) -> T:
        if key not in self._values:
            raise Refusal(404, self._missing)
        self._values.move_to_end(key)
        return self._values[key]


class Queue:
    """Runs jobs on one thread, one at a time; of those waiting under a name the newest alone."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._newest: dict[Hashable, object] = {}
        self._thread = ThreadPoolExecutor(1)

    async def run(self, name: Hashable, job: Callable[[], T]) -> T | None:
        """Runs a job; returns None when a newer one of its name came while it waited."""
        ticket = self._newest[name] = object()
        try:
            async with self._lock:
                if self._newest[name] is not ticket:
                    return None
                return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        finally:
            if self._newest.get(name) is ticket:
                del self._newest[name]
