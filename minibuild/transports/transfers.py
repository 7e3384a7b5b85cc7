"""Blobs on their way, several at once, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from minibuild.events import Transferred
from minibuild.oci import Descriptor
from minibuild.values import dataclass

_THREADS = 4
_REPORT_S = 0.1


class Abandoned(Exception):
    """Another layer of the image can't be moved, so this one isn't wanted any more."""


@dataclass(slots=True)
class Transfer:
    """A blob on its way: written by the thread that moves it, read by the one that watches."""

    descriptor: Descriptor
    done: int = 0
    abandoned: bool = False

    def event(self, activity: int) -> Transferred:
        """How far it has come."""
        return Transferred(activity, self.descriptor.digest.short, self.done, self.descriptor.size)


def move(
    transfers: Sequence[Transfer],
    carry: Callable[[Transfer], None],
    report: Callable[[Transfer], None],
    cancel: Callable[[], None],
) -> None:
    """Carries blobs, several at once; raises the first failure, and the others are abandoned.

    ``report`` is called in the calling thread, a few times a second for each blob that moved; ``cancel`` when this
    thread is interrupted.
    """
    if not transfers:
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="transfer") as pool:
        try:
            _watch([pool.submit(carry, transfer) for transfer in transfers], transfers, report)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for transfer in transfers:
                transfer.abandoned = True
            if not isinstance(error, Exception):
                cancel()
            raise


def _watch(futures: Iterable[Future[None]], transfers: Sequence[Transfer], report: Callable[[Transfer], None]) -> None:
    pending, reported = set(futures), dict.fromkeys(range(len(transfers)), -1)
    while pending:
        finished, pending = wait(pending, _REPORT_S, FIRST_COMPLETED)
        for future in finished:
            future.result()
        for number, transfer in enumerate(transfers):
            if transfer.done not in (0, reported[number]):
                reported[number] = transfer.done
                report(transfer)
