"""A deployed run's own place: a clone of the repository at a pinned commit, with the machine's shared DVC cache."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from configobj import ConfigObj
from dvc.repo import Repo
from ruamel.yaml import YAML

from flows.errors import GitFailed, NotFetched, StageFailed
from flows.machine.git import git, succeeds, typed
from flows.machine.home import Home
from flows.machine.retry import retried
from flows.pipeline.missing import install_hints
from flows.pipeline.stage import guarded
from flows.runs import fetching, kept
from flows.runs.record import LOCK, Experiment
from tasks.core import paths
from tasks.core.errors import UserError
from tasks.core.files import private_folder, replacing
from tasks.core.yaml_files import read_yaml
from tasks.dataset import layout

LANDING_FILE = "landing.yaml"
REFUSED = 2  # how a stage exits that cannot use its input


def pinned(home: Home, revision: str) -> str:
    """The full name of the commit that a branch, tag or commit means now. Raises GitFailed for an unknown one."""
    name = typed(revision, "revision")
    return git(home.origin, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def shared_cache(home: Home) -> Path:
    """The cache of the repository itself: what a run makes is there at once when its record arrives."""
    with Repo(str(home.origin)) as repo:
        return Path(repo.cache.local_cache_dir)


def cached(home: Home, md5: str) -> Path | None:
    """The file of that md5 in the shared cache; None where it is gone."""
    with Repo(str(home.origin)) as repo:
        file = Path(repo.cache.local.oid_to_path(md5))
    return file if file.exists() else None


def default_remote(folder: Path) -> str | None:
    """The name of DVC's default remote."""
    with Repo(str(folder)) as repo:
        name: str | None = repo.config["core"].get("remote")
    return name


def clone(home: Home, commit: str, place: Path, cache: Path | None = None) -> Path:
    """Make ``place`` a clone at the commit, or at what a reference names: the project's folder in it.

    Its DVC cache is ``cache``, without one its own.

    What versions and records need of that cache is put back first where ``dvc gc`` has deleted it.
    Remotes that only this machine knows, with their secrets, come along in ``.dvc/config.local``. Checkpoints of
    trainings lie beside the clones, so that a run in the next clone goes on with what this one began.
    """
    folder = place / home.prefix
    cache = cache or folder / ".dvc" / "cache"
    if set("{}") & set(f"{cache}{folder}"):
        raise UserError(f"DVC fails on the signs {{ and }} in a path: move {cache} or {folder}")
    home.make()
    kept.restore(cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        shutil.rmtree(place)  # of an earlier try of the same run
    private_folder(place)
    ours = ["--origin", "origin", "--config", "core.hooksPath=/dev/null"]  # whatever this user's git is set to
    git(place.parent, "clone", "--quiet", "--no-checkout", *ours, str(home.top), str(place))
    retried(
        lambda: git(place, "fetch", "--quiet", "origin", commit), GitFailed
    )  # a clone brings branches and tags along, no experiments
    git(place, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    if not (folder / ".dvc").is_dir():
        raise UserError(f"{home.prefix or home.origin} is no DVC project at {commit}: name another commit")
    local = folder / ".dvc" / "config.local"
    known = home.origin / ".dvc" / "config.local"
    if known.exists():
        shutil.copy(known, local)
    settings = ConfigObj(str(local), encoding="utf-8", interpolation=False)  # quotes # and , as DVC does
    settings.setdefault("cache", {})["dir"] = str(cache)
    settings.write()
    local.chmod(0o600)
    private_folder(home.checkpoints)
    (folder / paths.CHECKPOINTS).symlink_to(home.checkpoints)
    return folder


def holds(folder: Path, commit: str, home: Home) -> bool:
    """Whether an earlier try of the same run left its clone there, whole, at this commit and of where it lies now."""
    whole = (folder / paths.CHECKPOINTS).is_symlink() and not (home.top_of(folder) / ".git" / "index.lock").exists()
    whole = whole and git(folder, "remote", "get-url", "origin") == str(home.top)
    return whole and succeeds(folder, "cat-file", "-e", commit) and git(folder, "rev-parse", "HEAD") == commit


def require_large_files(repository: Path, commit: str) -> None:
    """UserError where git LFS keeps files of the commit and is not set up: a clone would hold its pointers as data."""
    kept = succeeds(repository, "grep", "-q", "filter=lfs", commit, "--", "*.gitattributes")
    if kept and not succeeds(repository, "config", "--get-regexp", r"^filter\.lfs\.(smudge|process)$"):
        raise UserError(
            f"git LFS keeps files of {repository} (its .gitattributes says so) and is not set up for this user: "
            "install git-lfs and run `git lfs install`"
        )


def take_over(folder: Path, earlier: Experiment) -> None:
    """Take over what an earlier record says was made, as a claim for DVC to check against the bytes.

    Without it every stage would be looked up in the cache by itself, seconds for each. A ``dvc.lock`` that somebody
    committed since then, or an earlier try of this run wrote, knows better.
    """
    if git(folder, "status", "--porcelain", "--", LOCK) or not succeeds(
        folder, "diff", "--quiet", earlier.baseline, "HEAD", "--", LOCK
    ):
        return
    retried(lambda: git(folder, "fetch", "--quiet", "origin", earlier.ref), GitFailed)
    for path in (LOCK, str(paths.METRICS)):
        if succeeds(folder, "cat-file", "-e", f"{earlier.commit}:./{path}"):
            git(folder, "restore", f"--source={earlier.commit}", "--worktree", "--", path)


def forget_other_stages(folder: Path, stages: Iterable[str]) -> None:
    """Take out of ``dvc.lock`` what an earlier run said of other stages than these: this run did not look at them."""
    file = folder / LOCK
    if not file.exists():
        return
    yaml = YAML()
    lock, wanted = yaml.load(file.read_text(encoding="utf-8")), set(stages)
    others = [name for name in lock.get("stages") or () if name not in wanted]
    for name in others:
        del lock["stages"][name]
    if others:
        with replacing(file) as part:
            yaml.dump(lock, part)


def materialise(folder: Path) -> None:
    """Bring what DVC tracks into the folder, as far as the cache has it; the data of ``.dvc`` files from a remote."""
    with Repo(str(folder)) as repo:
        repo.checkout(force=True, allow_missing=True)
        fetching.bring(repo, fetching.tracked(repo))


def land(home: Home, folder: Path) -> None:
    """Fetch what is new in the declared sources, going on from where the last run of this machine came.

    Raises NotFetched, or StageFailed where the sources are refused, with the last lines of the landing.
    """
    if not (folder / LANDING_FILE).exists():
        return
    take_landed(home.landing, folder)
    retried(_land, NotFetched)
    for pointer in sorted((folder / layout.LANDING).glob("*.dvc")):
        _copy(pointer, home.landing / pointer.name)


def take_landed(pointers: Path, folder: Path) -> None:
    """Take the pointers of landings into a clone where they count more parts than its own."""
    for pointer in sorted(pointers.glob("*.dvc")):
        _take_if_further(pointer, folder / layout.LANDING / pointer.name)


def _land() -> None:
    code, last = guarded([sys.executable, "-m", "tasks.land"])
    if code:
        error = StageFailed if code == REFUSED else NotFetched  # another try settles no refusal
        raise error("\n".join(["landing failed; its last lines:", *last, *install_hints(last)]))


def _take_if_further(pointer: Path, own: Path) -> None:
    """A landing only grows, so of two pointers the one with more parts came later."""
    if not own.exists() or _parts(own) < _parts(pointer):
        _copy(pointer, own)


def _parts(pointer: Path) -> int:
    """How many parts a pointer of DVC counts."""
    return sum(out.get("nfiles", 0) for out in read_yaml(pointer)["outs"])


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as part:
        shutil.copyfile(source, part)
