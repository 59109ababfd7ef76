"""What versions and records need of DVC's cache, kept where ``dvc gc`` does not look.

``dvc gc -w`` in the served checkout, or in a colleague's that shares its cache, deletes all that the checked-out commit
does not name: the champion's model, rows that landed since. So their objects have a second name in a folder of the
cache that is no object's, a hard link, which takes no room until the first name is deleted; a clone puts it back.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from flows.champion import registry
from flows.champion.manifest import PROMOTED
from flows.machine.git import git
from flows.machine.home import Home
from flows.runs import record
from tasks.core import recorded
from tasks.core.files import replacing
from tasks.core.yaml_files import parse_yaml, read_yaml

log = logging.getLogger(__name__)
FOLDER = "driftline"
OBJECTS = Path("files", "md5")  # of the cache, where DVC has them


def object_of(cache: Path, md5: str) -> Path:
    """Where DVC's cache has an object."""
    return cache / OBJECTS / md5[:2] / md5[2:]


def is_whole(file: Path, md5: str) -> bool:
    """Whether a file is, byte for byte, the object of that name."""
    return recorded.digest(file) == md5.removesuffix(recorded.FOLDER)


def keep(home: Home, cache: Path, clone: Path, outputs: Iterable[Path] = ()) -> None:
    """Keep these outputs of a clone, and what its ``.dvc`` files point to, as far as the cache has them."""
    found = [md5 for path in outputs if (md5 := recorded.md5_of(path, clone))]
    pointers = git(clone, "ls-files", "--", "*.dvc").splitlines()
    found += [md5 for path in pointers if (clone / path).exists() for md5 in _pointed_to(read_yaml(clone / path))]
    for md5 in with_content(cache, found):
        _link(object_of(cache, md5), _folder(home, cache) / md5[:2] / md5[2:])


def restore(cache: Path) -> None:
    """Put back what is gone from the cache; what is damaged is not."""
    for kept in (cache / FOLDER).glob("*/??/*"):
        md5 = kept.parent.name + kept.name
        target = object_of(cache, md5)
        if target.exists():
            continue
        if is_whole(kept, md5):
            _link(kept, target)
        else:
            log.warning(f"{kept} is damaged: deleted; it has to come from a DVC remote or be made anew")
            kept.unlink()


def trim(home: Home, cache: Path) -> int:
    """Forget what no version and no record needs any more: how many objects."""
    restore(cache)  # a folder's list of files too, which says what else is needed
    needed = [md5 for version in registry.versions(home.origin) for md5 in _of_version(home, version.commit)]
    needed += [md5 for one in record.records(home.origin) for md5 in _sources(home, one.commit)]
    stay = set(with_content(cache, needed))
    gone = [kept for kept in _folder(home, cache).glob("??/*") if kept.parent.name + kept.name not in stay]
    for kept in gone:
        kept.unlink()
    return len(gone)


def _folder(home: Home, cache: Path) -> Path:
    return cache / FOLDER / home.checkout.id


def _of_version(home: Home, commit: str) -> Iterator[str]:
    yield from filter(None, (record.made(home.origin, commit, path) for path in PROMOTED))
    yield from _sources(home, commit)


def _sources(home: Home, commit: str) -> Iterator[str]:
    """What the ``.dvc`` files of a commit point to."""
    for path in git(home.origin, "ls-tree", "-r", "--name-only", commit).splitlines():
        if path.endswith(".dvc"):
            yield from _pointed_to(parse_yaml(git(home.origin, "show", f"{commit}:./{path}"), Path(path)))


def _pointed_to(pointer: object) -> Iterator[str]:
    outs = pointer.get("outs") if isinstance(pointer, dict) else None
    yield from (out["md5"] for out in outs or [] if out.get("md5"))


def with_content(cache: Path, md5s: Iterable[str]) -> Iterator[str]:
    """These objects, and of a folder its files."""
    for md5 in md5s:
        yield md5
        listing = object_of(cache, md5)
        if md5.endswith(recorded.FOLDER) and listing.exists():
            with suppress(ValueError, TypeError, KeyError):  # damaged: nothing can be made of it
                yield from (one["md5"] for one in json.loads(listing.read_text(encoding="utf-8")))


def _link(source: Path, target: Path) -> None:
    """Another name for a file; a copy where the disk has no links. One that is gone has none."""
    if target.exists() or not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:  # another process was faster
        return
    except OSError:
        with replacing(target) as part:
            shutil.copyfile(source, part)
        target.chmod(0o444)
