"""Find faults in the code that no test notices.

    .venv/bin/python -m tests.mutation.run [--count 200] [--seed 1] [MODULE...]

Draws mutants of the modules, evenly and about a third of one kind at most, and runs the tests of
the module of each mutant: first the test module of its name, then the whole room. A mutant is
killed if a test fails or takes five times as long as without it. Prints a line of JSON for each,
then a table. Whether a mutant that survives changes any behaviour is for you to read.

The work takes place in copies of the checkout, one for each worker (--jobs).
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, list_mutants

ROOT = Path(__file__).resolve().parents[2]
MODULES = (Path(__file__).parent / "modules.txt").read_text("utf-8").split()
COPIED = ("edge", "train", "convert", "tests", "docs", "pyproject.toml", "constraints.txt")
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)

    def run_tests(self, tests: str, timeout_s: float) -> bool:
        """True if all tests pass within the time."""
        path = os.pathsep.join(str(self._folder / name) for name in ("edge", "train", "convert"))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "no:randomly", f"--basetemp={self._folder / 'pytest'}", tests]
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(timeout_s) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)

    def judge(self, case: Case, baselines: "Baselines") -> Case:
        """Run the tests of a case, and return it with what killed it."""
        path = self._folder / case.module
        source = path.read_text("utf-8")
        for tests in list_tests(case.module):
            timeout_s = max(LEAST_S, PATIENCE * baselines.measure(self, tests))
            path.write_text(case.mutant.source, "utf-8")
            try:
                if not self.run_tests(tests, timeout_s):
                    return Case(case.module, case.mutant, tests)
            finally:
                path.write_text(source, "utf-8")
        return case


class Baselines:
    """The seconds that tests take without a mutant, measured when they are needed."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def measure(self, workplace: Workplace, tests: str) -> float:
        """Run tests once, here or in another workplace. Raises RuntimeError if they fail."""
        with self._locks[tests]:
            if tests not in self._seconds:
                started_s = time.monotonic()
                if not workplace.run_tests(tests, 1800):
                    raise RuntimeError(f"{tests} fails without a mutant")
                self._seconds[tests] = time.monotonic() - started_s
            return self._seconds[tests]


def judge_all(cases: Sequence[Case], jobs: int) -> list[Case]:
    """Judge the cases side by side."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        workplaces: SimpleQueue[Workplace] = SimpleQueue()
        for number in range(jobs):
            (Path(folder) / str(number)).mkdir()
            workplaces.put(Workplace(Path(folder) / str(number)))
        baselines = Baselines()

        def judge(case: Case) -> Case:
            workplace = workplaces.get()
            try:
                judged = workplace.judge(case, baselines)
            finally:
                workplaces.put(workplace)
            report(judged.to_json())
            return judged

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(judge, cases))


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
