"""The workers of a Dask cluster that take part in a task, and results in the order of the items."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import cloudpickle
from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from vedette_edge.errors import ClusterError, VedetteError, join_names

AHEAD = 4  # items a thread, whose results wait for those of earlier ones
RETRIES = 3  # of an item, after an error that nobody foresaw
LOOK_S = 2.0  # between looks for new and lost workers
PROVE_S = 60.0  # for a proof, while others wait
MOST_IDLE_S = 60.0  # without a worker
DEADLY = (
    "one worker after the other ended at the same pictures, perhaps for lack of memory; their logs "
    "say more"
)
LOST = "the connection to the scheduler is lost; is it still running?"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Work(Generic[Item]):
    """An item that some worker is at."""

    item: Item
    future: "Future[Any]"
    workers: frozenset[str]  # that may do it
    losses: int = 0  # times that all of those were lost


class Team:
    """Workers that take part: those whose proof succeeded. New workers are asked as they join.

    Methods raise ClusterError if the scheduler is lost.
    """

    def __init__(self, client: Client, prove: Callable[[], str]) -> None:
        """`prove` runs on each worker: it returns the reason why that takes no part, or ""."""
        self._client, self._prove = client, _pack(prove)
        self._threads: dict[str, int] = {}  # of each worker, by address
        self._proofs: dict[str, Future[str]] = {}  # that are not finished
        self._answers: dict[str, str] = {}  # of those that are: the reason, or ""
        self._looked_s = 0.0

    @property
    def members(self) -> frozenset[str]:
        """The addresses of the workers that take part."""
        return frozenset(one for one in self._threads if self._answers.get(one) == "")

    def gather(self) -> None:
        """Wait for the proofs, but not for long. Raises ClusterError if no worker takes part."""
        start_s = time.monotonic()
        self.look()
        while self._proofs and time.monotonic() - start_s < PROVE_S:
            time.sleep(0.05)
            self.look()
        if not self.members:
            raise ClusterError(f"no worker takes part. {join_names(self.list_refusals())}")

    def list_refusals(self) -> list[str]:
        """List the workers that take no part so far, each with its reason."""
        late = dict.fromkeys(self._proofs, f"no answer for {PROVE_S:g} s")
        reasons = sorted((self._answers | late).items())
        return [f"{worker}: {reason}" for worker, reason in reasons if reason]

    def look(self) -> None:
        """Find new and lost workers, and answers."""
        self._looked_s = time.monotonic()
        try:
            self._threads = dict(self._client.nthreads())
        except OSError as error:
            raise ClusterError(LOST) from error
        for worker in self._threads.keys() - self._answers.keys() - self._proofs.keys():
            self._proofs[worker] = self._client.submit(self._prove, workers=[worker], pure=False)
        for worker, proof in list(self._proofs.items()):
            if worker not in self._threads:
                del self._proofs[worker]
            elif proof.done():
                self._answers[worker] = _read_answer(proof)
                del self._proofs[worker]

    def _look_again(self) -> None:
        if time.monotonic() - self._looked_s > LOOK_S:
            self.look()

    @property
    def threads(self) -> int:
        """The number of items that the members work on at once, at least 1."""
        return max(1, sum(self._threads[worker] for worker in self.members))

    def map_in_order(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """Call a function for each item on the members; yield the results.

        What a lost worker was at is done again by another one. Raises ClusterError if there are no
        workers for long, or if an item ends worker after worker; and the function's error.
        """
        waiting = deque[_Work[Item]]()
        try:
            for item in items:
                self._look_again()
                waiting.append(self._submit(function, item))
                if len(waiting) > AHEAD * self.threads:
                    yield self._wait(function, waiting.popleft())
            while waiting:
                yield self._wait(function, waiting.popleft())
        finally:
            self._client.cancel([work.future for work in waiting])

    def _submit(self, function: Callable[[Item], Result], item: Item) -> _Work[Item]:
        self._await_members()
        future = self._client.submit(
            _call, function, item, workers=list(self.members), pure=False, retries=RETRIES
        )
        return _Work(item, future, self.members)

    def _submit_again(self, function: Callable[[Item], Result], work: _Work[Item]) -> _Work[Item]:
        work.future.cancel()
        if work.losses == RETRIES:
            raise ClusterError(DEADLY)
        return replace(self._submit(function, work.item), losses=work.losses + 1)

    def _await_members(self) -> None:
        start_s = time.monotonic()
        while not self.members:
            if time.monotonic() - start_s > MOST_IDLE_S:
                raise ClusterError(
                    f"for {MOST_IDLE_S:g} s, no worker of the cluster took part; start one with: "
                    "dask worker, and the address of the scheduler"
                )
            time.sleep(LOOK_S / 4)
            self.look()

    def _wait(self, function: Callable[[Item], Result], work: _Work[Item]) -> Result:
        """Wait for a result. Work whose workers are all lost is given to others."""
        while True:
            try:
                answer: Result | VedetteError = work.future.result(timeout=LOOK_S)
                break
            except TimeoutError:
                if work.future.status == "error":  # the function raised it
                    raise
            except KilledWorker as error:
                raise ClusterError(DEADLY) from error
            except (FutureCancelledError, CommClosedError) as error:
                raise ClusterError(LOST) from error
            self.look()
            if not work.workers & self._threads.keys():
                work = self._submit_again(function, work)
        if isinstance(answer, VedetteError):
            raise answer
        return answer


def _pack(prove: Callable[[], str]) -> Callable[[], str]:
    """Make a function that a worker can load, even where Vedette is not installed."""
    content = cloudpickle.dumps(prove)

    def unpack() -> str:  # sent by its code, not by its name
        import pickle  # on the worker

        try:
            return str(pickle.loads(content)())
        except Exception as error:  # whatever it is, the worker cannot prove anything
            return f"cannot load Vedette, or fails: {error!r}"

    return unpack


def _read_answer(proof: "Future[str]") -> str:
    try:
        return str(proof.result(timeout=LOOK_S))
    except Exception as error:  # such as a proof that ended worker after worker
        return repr(error)


def _call(function: Callable[[Item], Result], item: Item) -> Result | VedetteError:
    """Call a function, on a worker. An error that it foresees is its result: no retry mends it."""
    try:
        return function(item)
    except VedetteError as error:
        return error
