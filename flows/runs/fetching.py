"""What DVC tracks, brought into a clone whole: from its cache, else from DVC's default remote."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import chdir
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo

from flows.errors import NotFetched
from flows.machine.retry import TRIES, retried
from flows.runs import dvc_remote, kept

log = logging.getLogger(__name__)


def tracked(repo: Repo) -> list[Output]:
    """What ``.dvc`` files point to."""
    return [out for stage in repo.index.stages if stage.is_data_source for out in stage.outs]


def outputs(repo: Repo, paths: Iterable[Path]) -> list[Output]:
    """What stages have made. NotFetched where ``dvc.lock`` does not know it."""
    made = {Path(out.fs_path).relative_to(repo.root_dir): out for stage in repo.index.stages for out in stage.outs}
    paths = list(paths)
    if unknown := [str(path) for path in paths if path not in made or not made[path].hash_info]:
        raise NotFetched(f"dvc.lock knows no {', '.join(unknown)}: run `dvc repro` and commit dvc.lock")
    return [made[path] for path in paths]


def bring(repo: Repo, outs: Sequence[Output]) -> None:
    """Check these out; what the cache lacks, or holds damaged, is fetched. NotFetched: says why and what settles it."""
    with chdir(repo.root_dir):  # DVC looks for a target in the dvc.yaml of where one stands first
        _bring(repo, outs)


def _bring(repo: Repo, outs: Sequence[Output]) -> None:
    cache, targets = Path(repo.cache.local_cache_dir), [out.fs_path for out in outs]
    if _drop_damaged(cache, outs):
        kept.restore(cache)
    try:
        if targets:
            repo.checkout(targets=targets, force=True)
    except (DvcException, ImportError):  # the latter where the remote needs a package
        _pull(repo, [out.fs_path for out in outs if not _in_cache(cache, out)] or targets)
        if damaged := _drop_damaged(cache, outs):
            remote = dvc_remote.Remote.default(Path(repo.root_dir))
            raise NotFetched(
                f"{damaged[0]} is damaged at {remote}: delete {damaged[1][:2]}/{damaged[1][2:]} there, then `dvc push` "
                "from where it is whole, or `dvc repro` and `dvc push`"
            ) from None


def _pull(repo: Repo, targets: Sequence[str]) -> None:
    top = Path(repo.root_dir)
    what = ", ".join(str(Path(target).relative_to(top)) for target in targets)
    if dvc_remote.Remote.default(top) is None:
        raise NotFetched(f"{what} is not in the cache, and {dvc_remote.fault(top)}: `dvc repro` makes it anew")
    try:
        retried(lambda: repo.pull(targets=targets), DvcException, OSError, ImportError)
    except (DvcException, OSError, ImportError):
        nowhere = f"{dvc_remote.Remote.default(top)} does not hold it: `dvc push` from where it is, or `dvc repro`"
        why = dvc_remote.fault(top) or nowhere
        raise NotFetched(f"{what} could not be fetched, after {TRIES} tries: {why}") from None


def _in_cache(cache: Path, out: Output) -> bool:
    md5s = kept.with_content(cache, [out.hash_info.value] if out.hash_info else [])
    return all(kept.object_of(cache, md5).exists() for md5 in md5s)


def _drop_damaged(cache: Path, outs: Sequence[Output]) -> tuple[str, str] | None:
    """Delete objects of the cache whose content is not what their name says: the first one's output and md5."""
    first = None
    for out in outs:
        known = [out.hash_info.value] if out.hash_info else []
        for md5 in list(kept.with_content(cache, known)):
            file = kept.object_of(cache, md5)
            if file.is_file() and not kept.is_whole(file, md5):
                log.warning(f"{out} is damaged in the cache: {file} is deleted")
                file.unlink()
                first = first or (str(out), md5)
    return first
