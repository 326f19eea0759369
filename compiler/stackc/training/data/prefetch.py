"""Values that threads prepare while earlier ones are used: in the order of the tasks, and only some ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetched(function: Callable[[T], R], tasks: Iterable[T], workers: int) -> Iterator[R]:
    """Yield `function(task)` of each task in order, computed by so many threads, at most one each ahead.

    What a task raises is raised in its turn. Without workers each is computed when it is asked for.
    """
    if not workers:
        yield from map(function, tasks)
        return

    rest = iter(tasks)
    with ThreadPoolExecutor(workers, "stackc-data") as pool:
        waiting: deque[Future[R]] = deque(pool.submit(function, task) for task in islice(rest, workers))
        try:
            while waiting:
                value = waiting.popleft().result()
                waiting.extend(pool.submit(function, task) for task in islice(rest, 1))
                yield value
        finally:
            for future in waiting:
                future.cancel()
