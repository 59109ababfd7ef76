"""``driftline search``, from what is asked to its last line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flows.machine.git import git
from flows.machine.home import Home
from flows.pipeline.graph import Dag
from flows.plain_page import page
from flows.runs import record, workspace
from flows.search import closing, place, space
from flows.search.closing import Tried
from flows.search.scores import Predictions, optimism
from flows.search.study import Search, opened
from tasks.core import params
from tasks.core.errors import UserError
from tasks.core.extras import require_extra
from tasks.core.files import private_folder, replacing
from tasks.core.paths import PARAMS, REPORTS

PAGE = REPORTS / "search.html"


def search(home: Home, trials: int | None = None) -> Iterator[str]:
    """Train until there are ``trials``, by default those of the space; lines as they come.

    UserError: an unfit space, an uncommitted change, a search at work. FlowError: nothing can be trained.
    """
    require_extra("optuna", "search")
    asked, source = space.load(home.origin)
    commit, general = _clean_commit(home), params.general(home.origin / PARAMS)
    seed = general.seed
    if general.task == "multi_label":
        raise UserError(f"trials of task: {general.task} are not compared yet: set what you want to try in params.yaml")
    key, wanted = asked.key(commit), trials or asked.trials
    home.make()
    folder = private_folder(home.searches / key)
    study = opened(folder, key, asked)
    yield f"study {key} of commit {commit[:12]}, by {asked.measure}; what is searched is by {source}:"
    yield from space.lines(asked)
    if len(Tried.of(study, asked).trials) < wanted:
        with place.made(home, key, commit) as here:
            yield from Search(study, asked, here, wanted, seed).go()
    yield from _closing(home, folder, Tried.of(study, asked), seed, _ran_whole(home, commit))


def _clean_commit(home: Home) -> str:
    """The commit to search at. UserError: what git tracks differs from it."""
    ours = (".", f":!{space.FILE}")
    changed = git(home.origin, "diff", "--name-only", "--relative", "HEAD", "--", *ours).splitlines()
    if changed:
        names = ", ".join(changed[:3]) + (", …" if changed[3:] else "")
        raise UserError(f"trials are trained at the last commit, and {names} changed since: commit, or `git stash`")
    return workspace.pinned(home, "HEAD")


def _ran_whole(home: Home, commit: str) -> bool:
    return set(Dag(str(home.origin)).order()) <= set(record.locked_at(home.origin, commit))


def _closing(home: Home, folder: Path, tried: Tried, seed: int, applies: bool) -> Iterator[str]:
    """What it came to, also as a page."""
    names = [f"search-{folder.name}-0", *(one.name for one in tried.complete)]
    of = {name: Predictions.read(place.predictions_file(folder, name)) for name in names}
    said = list(closing.lines(tried, optimism(of, tried.space.measure, seed), applies))
    file = home.origin / PAGE
    with replacing(file) as part:
        part.write_text(page("search", "What was searched", [*said, "", *closing.table(tried)]), encoding="utf-8")
    yield from ("", *said, f"every trial as a page: {PAGE}")
