"""The workers of a Dask cluster that take part in a task, and results in the order of the items."""

import pickle
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

import cloudpickle
from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from zict import LRU

from vedette_edge.cluster.session import WORKER_FLAGS
from vedette_edge.errors import ClusterError, VedetteError, join_names

AHEAD = 4  # items a thread, whose results wait for those of earlier ones
RETRIES = 3  # of an item, after an error that nobody foresaw
LOOK_S = 2.0  # between looks for new and lost workers
PAUSE_S = 0.1  # before another look, where there is nothing else to do
PROVE_PAUSES = 600  # of PAUSE_S, for a proof, while others wait
IDLE_PAUSES = 600  # of PAUSE_S, without a worker
FETCH_S = 300.0  # for a result, which may be 60 MB, over a slow network
MOST_TEAMS = 4  # that a worker stays ready for: those that were used last
DEADLY = (
    "one worker after the other ended at the same pictures, perhaps for lack of memory; their logs "
    "say more"
)
LOST = "the connection to the scheduler is lost; is it still running?"

State = TypeVar("State")
Item = TypeVar("Item")
Result = TypeVar("Result")

_PENDING = object()  # in place of a result, or of a state
_states: MutableMapping[str, Any] = LRU(MOST_TEAMS, {})  # on a worker, by the name of a team


class Worker(NamedTuple):
    """A process of the cluster."""

    address: str
    threads: int


class NotReadyError(ClusterError):
    """An item for a worker that has taken another's address, or has too many teams."""

    def __str__(self) -> str:
        return (
            f"workers have dropped this run, since each keeps at most {MOST_TEAMS}; wait until "
            "others end, and repeat the command"
        )


@dataclass(slots=True)
class _Work(Generic[Item]):
    """An item that some worker is at."""

    item: Item
    future: "Future[Any]"
    workers: frozenset[str]  # that may do it
    losses: int = 0  # times that all of those were lost, or not ready


class Team(Generic[State]):
    """Workers that take part: those that are ready. New workers are asked as they join.

    Methods raise ClusterError if the scheduler is lost.
    """

    def __init__(
        self, client: Client, get_ready: Callable[[], State], report: Callable[[str], None]
    ) -> None:
        """`get_ready` runs on each worker, and returns what that needs for each item.

        It raises a VedetteError, which says why, for a worker that is to take no part. `report` is
        called for each of these, if others take part.
        """
        self._client, self._name, self._report = client, uuid4().hex, report
        self._get_ready = _pack(partial(_keep_state, self._name, get_ready))
        self._workers: dict[str, Worker] = {}  # by an identity that no other worker has
        self._proofs: dict[str, Future[str]] = {}  # that are not finished
        self._answers: dict[str, str] = {}  # of those that are: the reason, or ""
        self._looked_s, self._gathered = 0.0, False

    @property
    def members(self) -> frozenset[str]:
        """The identities of the workers that take part."""
        return frozenset(one for one, reason in self._answers.items() if not reason)

    @property
    def threads(self) -> int:
        """The number of items that the members work on at once, at least 1."""
        return max(1, sum(self._workers[one].threads for one in self.members))

    def gather(self) -> None:
        """Wait for the proofs, but not for long. Raises ClusterError if no worker takes part."""
        self.look()
        for _ in range(PROVE_PAUSES):
            if self._answers and not self._proofs:
                break
            time.sleep(PAUSE_S)
            self.look()
        if not self.members:
            raise ClusterError(f"no worker takes part. {self._describe_refusals()}")
        self._gathered = True
        for refusal in self._list_refusals():
            self._report(refusal)

    def _list_refusals(self) -> list[str]:
        """List the workers that take no part so far, with the reasons."""
        late = dict.fromkeys(self._proofs, "no answer so far")
        return self._group_by_reason(self._answers | late)

    def _group_by_reason(self, reasons: Mapping[str, str]) -> list[str]:
        """List workers, each with its reason: those with the same one together."""
        groups = defaultdict[str, list[str]](list)
        for one, reason in reasons.items():
            groups[reason].append(self._workers[one].address)
        return sorted(
            f"{join_names(sorted(group))}: {reason}" for reason, group in groups.items() if reason
        )

    def _describe_refusals(self) -> str:
        if refusals := self._list_refusals():
            return join_names(refusals)
        return "All are lost, perhaps as they ended while they got ready: see their logs"

    def look(self) -> None:
        """Find new and lost workers, and answers. Reports new refusals."""
        self._looked_s = time.monotonic()
        try:
            self._workers = self._client.run_on_scheduler(_list_workers)
        except OSError as error:
            raise ClusterError(LOST) from error
        self._answers = self._keep_present(self._answers)
        self._proofs = self._keep_present(self._proofs)
        for one in self._workers.keys() - self._answers.keys() - self._proofs.keys():
            address = self._workers[one].address
            self._proofs[one] = self._client.submit(self._get_ready, workers=[address], pure=False)
        reasons = {one: _read_reason(proof) for one, proof in self._proofs.items() if proof.done()}
        answers = {one: reason for one, reason in reasons.items() if reason is not None}
        for one in answers:
            del self._proofs[one]
        self._answers |= answers
        for refusal in self._group_by_reason(answers) if self._gathered else ():
            self._report(refusal)

    def _keep_present(self, by_worker: dict[str, Result]) -> dict[str, Result]:
        return {one: value for one, value in by_worker.items() if one in self._workers}

    def map_in_order(
        self, function: Callable[[State, Item], Result], items: Iterable[Item], ahead: int = AHEAD
    ) -> Generator[Result, None, None]:
        """Call a function for each item on the members; yield the results.

        It gets what `get_ready` has returned there, and the item. So many items a thread wait for
        earlier ones. What a lost worker was at is done again by another one. Raises ClusterError if
        there are no workers for long, or if an item ends worker after worker; and the function's
        error.
        """
        waiting = deque[_Work[Item]]()
        call = partial(_call, self._name, function)
        try:
            for item in items:
                if time.monotonic() - self._looked_s > LOOK_S:
                    self.look()
                waiting.append(self._submit(call, item))
                if len(waiting) > ahead * self.threads:
                    yield self._wait(call, waiting)
            while waiting:
                yield self._wait(call, waiting)
        finally:
            self._client.cancel([work.future for work in waiting])

    def _submit(self, call: Callable[[Item], Any], item: Item) -> _Work[Item]:
        self._await_members()
        members = self.members
        addresses = [self._workers[one].address for one in members]
        future = self._client.submit(call, item, workers=addresses, pure=False, retries=RETRIES)
        return _Work(item, future, members)

    def _await_members(self) -> None:
        """Count the looks: where a machine sleeps meanwhile, time is no measure."""
        for _ in range(IDLE_PAUSES):
            if self.members:
                return
            time.sleep(PAUSE_S)
            self.look()
        raise ClusterError(
            f"for {IDLE_PAUSES * PAUSE_S:g} s, no worker of the cluster took part; start some "
            f"with: dask worker ADDRESS {WORKER_FLAGS} ({self._describe_refusals()})"
        )

    def _wait(self, call: Callable[[Item], Any], waiting: deque[_Work[Item]]) -> Any:
        """Wait for the first result. Others do the work of workers that are lost or not ready."""
        while (answer := _take_answer(waiting[0].future)) is _PENDING or _is_unready(answer):
            if answer is not _PENDING:  # others may not be ready, either: all are asked again
                self._answers = {one: reason for one, reason in self._answers.items() if reason}
            self.look()
            for place, work in enumerate(waiting):
                unready = answer is not _PENDING and place == 0
                if unready or not work.workers & self._workers.keys():
                    waiting[place] = self._submit_again(call, work, answer if unready else None)
        waiting.popleft()
        if isinstance(answer, KilledWorker):
            raise ClusterError(DEADLY) from answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _submit_again(
        self, call: Callable[[Item], Any], work: _Work[Item], error: ClusterError | None
    ) -> _Work[Item]:
        if work.losses == RETRIES:
            raise error or ClusterError(DEADLY)
        work.future.cancel()
        return replace(self._submit(call, work.item), losses=work.losses + 1)


def _is_unready(answer: object) -> bool:
    return isinstance(answer, NotReadyError)


def _take_answer(future: "Future[Any]") -> Any:
    """Take the result of a task, or its error; _PENDING if there is none for a while."""
    try:
        return future.exception(timeout=LOOK_S) or future.result(timeout=FETCH_S)
    except TimeoutError:  # of the wait: one of the task is returned
        return _PENDING
    except KilledWorker as error:  # so was a worker that had the result
        return error
    except (FutureCancelledError, CommClosedError) as error:
        raise ClusterError(LOST) from error


def _read_reason(proof: "Future[str]") -> str | None:
    """Read why a worker takes no part, or ""; None if the answer is still on its way."""
    try:
        return str(proof.result(timeout=LOOK_S))
    except TimeoutError:  # of the wait: a proof returns its errors
        return None
    except Exception as error:  # such as a proof that ended worker after worker
        return repr(error)


def _list_workers(dask_scheduler: Any) -> dict[str, Worker]:
    """List the workers, on the scheduler. An address may have another one after a restart."""
    workers = dask_scheduler.workers.values()
    return {one.server_id: Worker(one.address, one.nthreads) for one in workers}


def _pack(function: Callable[[], str]) -> Callable[[], str]:
    """Make a function that a worker can load, even where Vedette is not installed."""
    content = cloudpickle.dumps(function)

    def unpack() -> str:  # sent by its code, not by its name
        try:
            return str(pickle.loads(content)())
        except Exception as error:  # whatever it is, the worker cannot prove anything
            return f"cannot load Vedette, or fails: {error!r}"

    return unpack


def _keep_state(team: str, get_ready: Callable[[], Any]) -> str:
    """Get ready, on a worker; return the reason why it takes no part, or ""."""
    try:
        if _states.get(team, _PENDING) is _PENDING:
            _states[team] = get_ready()
    except VedetteError as error:
        return str(error)
    return ""


def _call(team: str, function: Callable[[Any, Item], Result], item: Item) -> Result | VedetteError:
    """Call a function, on a worker. A VedetteError is returned: to try again would not help."""
    if (state := _states.get(team, _PENDING)) is _PENDING:
        return NotReadyError()
    try:
        return function(state, item)
    except VedetteError as error:
        return error
