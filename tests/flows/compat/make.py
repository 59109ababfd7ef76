"""How ``a74df7e.bundle`` and ``a74df7e.cache.tar.xz`` were made, once: ``python tests/flows/compat/make.py FOLDER``.

Runs the code of commit a74df7e, from a clone in FOLDER, on the small pipeline of its own ``tests/flows/watched.py``: a
scheduled training, a promotion, a quiet window, a window with drift whose refit is promoted, a training that fails, a
quiet window under the new champion. The bundle is the repository with all its references; the archive its DVC cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMIT = "a74df7e"
HERE = Path(__file__).parent
STORY = """
import platform, sys
from pathlib import Path
platform.node = lambda: "host"
from tests.flows import watched
from flows.home import Home
from flows.nightly import nightly
from flows.monitoring import monitoring
from flows import champion, record

watched.PARAMS = '''
seed: 7
model: {name: words}   # a comment that stays
windows:
  reference: {from: null, until: "2026-02-01"}
  current: {from: "2026-02-01", until: "2026-02-15"}
finetune: {checks_per_epoch: 4, check_rows: 100}
gate: {max_calibration_error: null}
'''
DRIFT = '''    signals = {"confidence": {"alarm": drifted, "significant": drifted,
        "effect": round(unsure[1] - unsure[0], 4),
        "effect_is": "largest change in a share of rows", "where": "confidence", "p_value": 0.001}}
    sight = {"power": 0.8, "smallest_share_of_foreign_rows": 0.03, "past_windows": 0, "false_alarms_a_year": 0.6}
    found = {"estimated_accuracy": 1 - unsure[1] / 2, "reference_accuracy": 1.0, "measured_accuracy": None}
    json.dump({"drifted": drifted, "significant": drifted, "reason": f"{unsure[1]:.0%} of answers unsure",
               "rows": {"reference": len(sides[0]), "current": len(sides[1])}, "signals": signals, "sight": sight,
               "performance": found}, open("metrics/drift.json", "w"))
'''
head, _, rest = watched.PIPE.partition('    signals = {"confidence"')
watched.PIPE = head + DRIFT + rest[rest.index('\\nif __name__'):]

folder = Path(sys.argv[1])
folder.mkdir()
watched.make(folder)
home = str(Home.of(folder).origin)
watched.run(folder, "git", "config", "user.name", "test")
watched.run(folder, "git", "config", "user.email", "test@example.com")

def look(**asked):
    state = monitoring(home, policy="alarm", act="promote", rule="not_worse", return_state=True, **asked)
    print("MONITORING", state.name, state.message)

print(nightly(home, return_state=True))
first = record.records(folder)[0]
print(champion.propose(Home.of(folder), first.commit, True, False, None, None, print).words)
look()                                                   # 1 to 15 February: quiet
look()                                                   # 15 February to 1 March: quiet
look()                                                   # 1 to 15 March: drift, a refit, promoted
print(nightly(home, stages=["nothing"], return_state=True))
look()                                                   # 15 to 29 March, under the second champion
"""


def main() -> None:
    """Make both files anew."""
    folder = Path(sys.argv[1]).absolute()
    code, repository = folder / "code", folder / "repository"
    subprocess.run(["git", "clone", "--quiet", str(HERE.parents[2]), str(code)], check=True)
    subprocess.run(["git", "-C", str(code), "checkout", "--quiet", COMMIT], check=True)
    who = {f"GIT_{one}_{what}": "test" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    homes = {"DRIFTLINE_HOME": str(folder / "home"), "PREFECT_HOME": str(folder / "prefect")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, **who, **homes, "PATH": path}
    environment.pop("PYTHONPATH", None)
    subprocess.run([sys.executable, "-c", STORY, str(repository)], cwd=code, env=environment, check=True)
    bundle, cache = HERE / f"{COMMIT}.bundle", HERE / f"{COMMIT}.cache.tar.xz"
    subprocess.run(["git", "-C", str(repository), "bundle", "create", "-q", str(bundle), "--all", "HEAD"], check=True)
    files = ["tar", "-C", str(repository / ".dvc/cache"), "--sort=name", "-cJf", str(cache), "files"]
    subprocess.run(files, check=True)


if __name__ == "__main__":
    main()
