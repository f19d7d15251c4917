"""Find faults in the code that no test notices.

    .venv/bin/python -m tests.mutation.run [--count 200] [--seed 1] [MODULE...]

Draws mutants of the modules, evenly and about a third of one kind at most, and runs the tests of
the module of each mutant: first the test module of its name, then the whole room. A mutant is
killed if a test fails or takes five times as long as without it. Prints a line of JSON for each,
then a table. Whether a mutant that survives changes any behaviour is for you to read.

The work takes place in copies of the checkout, one for each worker (--jobs). Each run of pytest is
a fork of a process that has imported the libraries already, which takes most of the time of a short
test.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from tests.mutation.mutants import Mutant, list_mutants

ROOT = Path(__file__).resolve().parents[2]
MODULES = (Path(__file__).parent / "modules.txt").read_text("utf-8").split()
COPIED = ("edge", "train", "convert", "tests", "docs", "pyproject.toml", "constraints.txt")
LIBRARIES = ("ai_edge_litert.interpreter", "click.testing", "cv2", "hypothesis", "numpy")
WORKSTATION_LIBRARIES = ("keras", "tensorflow")
PATIENCE = 5  # times as long as without a mutant
LEAST_S = 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """A mutant of a module; `killed_by` is a test module or room, or "" if it survives."""

    module: str
    mutant: Mutant
    killed_by: str = ""

    def to_json(self) -> str:
        fields = asdict(self.mutant)
        del fields["source"]
        return json.dumps({"module": self.module, "killed_by": self.killed_by} | fields)


def report(line: str) -> None:
    print(line, flush=True)  # noqa: T201  what it is for


def draw(modules: Sequence[str], count: int, seed: int) -> list[Case]:
    """Draw mutants, evenly from the modules, about a third of a module's of one kind at most.

    They are fewer than `count` if a module has too few.
    """
    chosen = random.Random(seed)
    cases: list[Case] = []
    for number, module in enumerate(modules):
        share = count * (number + 1) // len(modules) - count * number // len(modules)
        mutants = list_mutants((ROOT / module).read_text("utf-8"))
        chosen.shuffle(mutants)
        kinds: Counter[str] = Counter()
        for mutant in mutants:
            if sum(kinds.values()) < share and kinds[mutant.kind] < max(1, -(-share // 3)):
                kinds[mutant.kind] += 1
                cases.append(Case(module, mutant))
    return cases


def list_tests(module: str) -> list[str]:
    """List what tests a module: the test module of its name if there is one, and its room."""
    package, _, *rooms, name = Path(module).parts
    room = Path("tests", package, *rooms)
    own = room / f"test_{name}"
    paths = [own] if (ROOT / own).exists() else []
    return [str(path) for path in [*paths, room] if (ROOT / path).exists()]


class Workplace:
    """A copy of the checkout, in which one module at a time has a fault."""

    def __init__(self, parent: str) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=parent))
        self._seconds: dict[str, float] = {}  # that tests take without a mutant
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self._folder / name)

    def run_tests(self, tests: str, timeout_s: float) -> bool:
        """True if all tests pass within the time."""
        if not (child := os.fork()):
            self._run_pytest(tests)
        ended, ends_s = 0, time.monotonic() + timeout_s
        try:
            while time.monotonic() < ends_s:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status) == 0
                time.sleep(0.01)
            return False
        finally:
            subprocess.run(["pkill", "-KILL", "-s", str(child)], check=False)
            if not ended:
                os.waitpid(child, 0)

    def _run_pytest(self, tests: str) -> None:
        """Turn this process, a fork, into pytest in the copy. Does not return."""
        code = 1
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(null, stream)
            os.chdir(self._folder)
            packages = [str(self._folder / name) for name in ("edge", "train", "convert")]
            os.environ |= {"PYTHONPATH": os.pathsep.join(packages), "OMP_NUM_THREADS": "1"}
            sys.path[:] = [str(self._folder), *packages, *sys.path]
            for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
                del sys.modules[name]
            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
            options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of the libraries
            code = int(pytest.main([*options, f"--basetemp={self._folder / 'pytest'}", tests]))
        finally:
            os._exit(code)

    def measure(self, tests: str) -> float:
        """Run tests once without a mutant. Raises RuntimeError if they fail."""
        if tests not in self._seconds:
            started_s = time.monotonic()
            if not self.run_tests(tests, 1800):
                raise RuntimeError(f"{tests} fails without a mutant")
            self._seconds[tests] = time.monotonic() - started_s
        return self._seconds[tests]

    def judge(self, case: Case) -> Case:
        """Run the tests of a case, and return it with what killed it."""
        path = self._folder / case.module
        source = path.read_text("utf-8")
        for tests in list_tests(case.module):
            timeout_s = max(LEAST_S, PATIENCE * self.measure(tests))
            path.write_text(case.mutant.source, "utf-8")
            try:
                if not self.run_tests(tests, timeout_s):
                    return Case(case.module, case.mutant, tests)
            finally:
                path.write_text(source, "utf-8")
        return case


class Worker:
    """A process that judges cases in a workplace of its own."""

    workplace: Workplace

    @classmethod
    def start(cls, parent: str) -> None:
        cls.workplace = Workplace(parent)

    @classmethod
    def judge(cls, case: Case) -> Case:
        return cls.workplace.judge(case)


def judge_all(cases: Sequence[Case], jobs: int) -> list[Case]:
    """Judge the cases side by side: first the edge's, whose tests want no workstation library."""
    judged: list[Case] = []
    for is_edge, libraries in ((True, LIBRARIES), (False, WORKSTATION_LIBRARIES)):
        some = [case for case in cases if case.module.startswith("edge/") == is_edge]
        if some:
            for library in libraries:
                importlib.import_module(library)
            judged += _judge_some(some, jobs)
    return judged


def _judge_some(cases: Sequence[Case], jobs: int) -> list[Case]:
    judged = []
    with (
        tempfile.TemporaryDirectory(prefix="mutation-") as folder,
        ProcessPoolExecutor(
            jobs, multiprocessing.get_context("fork"), Worker.start, (folder,)
        ) as pool,
    ):
        for done in as_completed([pool.submit(Worker.judge, case) for case in cases]):
            judged.append(done.result())
            report(judged[-1].to_json())
    return judged


def count_killed(cases: Iterable[Case]) -> int:
    return sum(bool(case.killed_by) for case in cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=MODULES, help="all of modules.txt by default")
    parser.add_argument("--count", type=int, default=200, help="mutants in total")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    judged = judge_all(draw(options.modules, options.count, options.seed), options.jobs)
    for module in options.modules:
        cases = [case for case in judged if case.module == module]
        report(f"{count_killed(cases):3} of {len(cases):3} killed  {module}")
    report(f"{count_killed(judged)} of {len(judged)} killed")


if __name__ == "__main__":
    main()
