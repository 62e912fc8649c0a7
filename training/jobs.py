"""Networks trained side by side: one process each, as many at a time as there are workers."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed


def side_by_side(
    job: Callable[..., None], calls: Sequence[tuple[object, ...]], workers: int
) -> None:
    """``job(*call)`` for each call; in this process and in turn with fewer than two workers.

    The first error, or an interruption, cancels what has not begun and is raised.
    """
    if workers < 2 or len(calls) < 2:
        for call in calls:
            job(*call)
        return
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(calls)), context) as executor:
        futures = [executor.submit(job, *call) for call in calls]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
