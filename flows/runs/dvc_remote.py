"""DVC's default remote: what it is called, where it is, and why it does not answer, with the key that settles it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dvc.repo import Repo

from tasks.core import faults
from tasks.core.shown import one_line

KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or access_key_id and secret_access_key",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS in the environment, or credentialpath",
    "azure": "AZURE_STORAGE_CONNECTION_STRING in the environment, or connection_string",
    "ssh": "keyfile and user",
    "": "user and password",
}
"""What a remote of that kind is entered by, the keys after the last comma in its section of .dvc/config.local."""
LOCAL = ("", "file")
REFUSED = r"40[13]\b|Forbidden|AccessDenied|Access Denied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|" + (
    r"ExpiredToken|Unauthorized|PermissionError|Permission denied|Authentication"
)
NO_KEY = r"NoCredentials|Unable to locate credentials|DefaultCredentialsError|[Nn]o credentials"
SILENT = (
    r"EndpointConnection|Could not connect|Cannot connect|Connect(ion|Timeout)|[Tt]imed? ?out|Name or service|resolve"
)
NOT_THERE = r"NoSuchBucket|404\b|bucket does not exist|Not Found"
FULL = r"No space left on device|QuotaExceeded|EntityTooLarge"
NOT_INSTALLED = re.compile(r"requires '([\w-]+)' to be installed")
NOBODY = "0" * 32  # the md5 of no file: asking for it needs the address and the key, and finds nothing


@dataclass(frozen=True)
class Remote:
    """As ``.dvc/config`` names it."""

    name: str
    url: str
    endpoint: str | None = None

    @classmethod
    def default(cls, folder: Path) -> Remote | None:
        """None where DVC has none."""
        with Repo(str(folder)) as repo:
            name = repo.config["core"].get("remote")
            section = repo.config["remote"].get(name, {}) if name else {}
        return cls(name, section.get("url", ""), section.get("endpointurl")) if name else None

    def __str__(self) -> str:
        return f"the DVC remote {self.name!r} ({one_line(self.url)}{f' at {self.endpoint}' if self.endpoint else ''})"

    @property
    def kind(self) -> str:
        """``s3``; the empty text for a folder."""
        return urlsplit(self.url).scheme

    def sentence(self, error: BaseException | str) -> str | None:
        """What keeps it from being read or written, and what settles it; None: of another cause."""
        text = error if isinstance(error, str) else "\n".join(_words(error))
        keys = f"{KEYS.get(self.kind, KEYS[''])} of ['remote \"{self.name}\"'] in .dvc/config.local"
        if missing := NOT_INSTALLED.search(text):
            return f"{self} needs a package: pip install -c requirements.lock {missing[1]}"
        if re.search(FULL, text):
            return f"{self} is full: free some space there, then run again"
        if self.kind in LOCAL:
            fault = faults.sentence(error) if isinstance(error, OSError) else None
            return f"{self}: {fault}" if fault else None
        if re.search(NO_KEY, text):
            return f"{self} got no key: set {keys}"
        if re.search(REFUSED, text):
            return f"{self} refuses the key: correct {keys}"
        if re.search(NOT_THERE, text):
            return f"{self} is not there: make it, or correct its url in .dvc/config"
        if re.search(SILENT, text):
            return f"{self} does not answer: correct its url or endpointurl in .dvc/config, or try again later"
        return None


def _words(error: BaseException) -> Iterator[str]:
    seen: BaseException | None = error
    while seen is not None:
        yield f"{type(seen).__name__}: {seen}"
        seen = seen.__cause__ or seen.__context__


def fault(folder: Path) -> str | None:
    """Why the default remote cannot be used, found by asking it for nothing; None where it answers."""
    remote = Remote.default(folder)
    if remote is None:
        return "DVC has no default remote (`dvc remote add -d NAME URL`)"
    try:
        with Repo(str(folder)) as repo:
            store = repo.cloud.get_remote_odb()
            store.fs.cat_file(store.oid_to_path(NOBODY))
    except FileNotFoundError as error:
        if remote.kind not in LOCAL:
            return remote.sentence(error) if "bucket" in str(error) else None
        if not Path(remote.url).is_dir():
            return f"{remote} is not there: mount it, or correct its url in .dvc/config"
    except Exception as error:  # noqa: BLE001  whatever a store's library raises
        return remote.sentence(error) or f"{remote} cannot be used: {one_line(str(error))}"
    return None
