"""Files made by hand as the documentation of a tool, or the published data set, shows them: the tool is not at hand."""

from __future__ import annotations

import csv
import io
import json
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.everyday.rows import NUMBER, PLAIN, ROWS


def make(files: Path) -> None:
    """Write the files."""
    for part in (_spreadsheets, _published, _exports, _annotation, _plain, _folders):
        part(files)


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at).replace(tzinfo=UTC)


def _csv(records, delimiter=",", end="\n", quoting=csv.QUOTE_MINIMAL, **more) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting, **more).writerows(records)
    return out.getvalue()


def _lines(objects) -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def _spreadsheets(files: Path) -> None:
    """Excel's three text formats, a sep= line, Google Sheets' and Google Forms' csv."""
    header = ("text", "label", "created_at")
    table = [header, *((text, label, at.replace("T", " ")) for text, label, at in ROWS)]
    plain = [header, *((text, label, at.replace("T", " ")) for text, label, at in PLAIN)]
    (files / "excel_csv_utf8.csv").write_bytes(_csv(table, end="\r\n").encode("utf-8-sig"))
    (files / "excel_csv_utf8_german.csv").write_bytes(_csv(table, ";", end="\r\n").encode("utf-8-sig"))
    (files / "excel_unicode_text.txt").write_bytes(_csv(table, "\t", end="\r\n").encode("utf-16"))
    (files / "excel_csv_german.csv").write_bytes(_csv(plain, ";", end="\r\n").encode("cp1252"))
    (files / "excel_text_tab.txt").write_bytes(_csv(plain, "\t", end="\r\n").encode("cp1252"))
    (files / "excel_mac.csv").write_bytes(_csv(plain, ";", end="\r").encode("mac_roman"))
    (files / "sep_line.csv").write_bytes(b"\xef\xbb\xbf" + ("sep=;\r\n" + _csv(table, ";", end="\r\n")).encode())
    shown = [(text, label, f"{(m := _moment(at)).month}/{m.day}/{m.year} {m:%H:%M:%S}") for text, label, at in ROWS]
    (files / "google_sheets.csv").write_text(_csv([header, *shown], end="\r\n"), newline="")
    forms = [("Timestamp", "What happened?", "Kind")]
    forms += [(f"{(m := _moment(at)):%Y/%m/%d} {m:%I:%M:%S %p} GMT", text, label) for text, label, at in ROWS]
    (files / "google_forms.csv").write_text(_csv(forms, end="\r\n"), newline="")


def _published(files: Path) -> None:
    """As they are published: Kaggle's SMS spam, UCI's, Sentiment140, AG News, IMDb, Amazon, Yelp, fastText."""
    spam = [("v1", "v2", "", "", "")] + [(label, text, "", "", "") for text, label, _ in PLAIN]
    (files / "kaggle_sms_spam.csv").write_bytes(_csv(spam, end="\r\n").encode("cp1252"))
    (files / "SMSSpamCollection").write_text("".join(f"{label}\t{text}\n" for text, label, _ in PLAIN))
    (files / "sms_spam_collection.tsv").write_text("".join(f"{label}\t{text}\n" for text, label, _ in PLAIN))
    tweets = []
    for number, (text, label, at) in enumerate(PLAIN, 1467810369):
        when = f"{_moment(at):%a %b %d %H:%M:%S} UTC {_moment(at).year}"
        tweets.append((NUMBER[label], number, when, "NO_QUERY", "someone", text))
    (files / "sentiment140.csv").write_bytes(_csv(tweets, quoting=csv.QUOTE_ALL).encode("cp1252"))
    news = [(int(NUMBER[label]) + 1, f"Ticket {i}", text) for i, (text, label, _) in enumerate(PLAIN, 1)]
    (files / "ag_news.csv").write_text(_csv(news, quoting=csv.QUOTE_ALL))
    (files / "fasttext.txt").write_text("".join(f"__label__{label} {text}\n" for text, label, _ in PLAIN))
    amazon = [
        {"reviewText": text, "overall": float(NUMBER[label]), "unixReviewTime": int(_moment(at).timestamp())}
        for text, label, at in ROWS
    ]
    (files / "amazon_reviews.jsonl").write_text(_lines(amazon))
    yelp = [
        {
            "review_id": f"{zlib.crc32(text.encode()):08x}",
            "stars": NUMBER[label],
            "text": text,
            "date": at.replace("T", " "),
        }
        for text, label, at in ROWS
    ]
    (files / "yelp.json").write_text(_lines(yelp))
    for number, (text, label, _) in enumerate(ROWS):
        path = files / "imdb" / label / f"{number}_1.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _exports(files: Path) -> None:
    """BigQuery, MongoDB, Elasticsearch, GitHub, Zendesk, Slack, Reddit, a mail list."""
    utc = [(text, label, f"{at.replace('T', ' ')} UTC") for text, label, at in ROWS]
    header = ("text", "label", "created_at")
    (files / "bigquery.csv").write_text(_csv([header, *utc]))
    (files / "bigquery.json").write_text(_lines(dict(zip(header, row, strict=True)) for row in utc))
    mongo = [
        {"_id": {"$oid": f"{i:024x}"}, "text": text, "label": label, "created_at": {"$date": f"{at}Z"}}
        for i, (text, label, at) in enumerate(ROWS)
    ]
    (files / "mongoexport.json").write_text(_lines(mongo))
    (files / "mongoexport_array.json").write_text(json.dumps(mongo, ensure_ascii=False))
    records = [{"text": text, "label": label, "created_at": f"{at}Z"} for text, label, at in ROWS]
    hits = [{"_index": "tickets", "_id": str(i), "_source": one} for i, one in enumerate(records)]
    found = {"took": 3, "timed_out": False, "hits": {"total": {"value": 12, "relation": "eq"}, "hits": hits}}
    (files / "elasticsearch.json").write_text(json.dumps(found, indent=2, ensure_ascii=False))
    (files / "api_items.json").write_text(json.dumps({"data": {"items": records}, "next": None}, ensure_ascii=False))
    tickets = [
        {"id": i, "description": text, "custom": {"kind": label}, "created_at": f"{at}Z", "tags": ["vip", "mail"]}
        for i, (text, label, at) in enumerate(ROWS, 1)
    ]
    (files / "zendesk.json").write_text(json.dumps({"tickets": tickets, "count": 12}, ensure_ascii=False))
    (files / "github_issues.json").write_text(
        json.dumps(
            [{"body": text, "milestone": {"title": label}, "created_at": f"{at}Z"} for text, label, at in ROWS],
            indent=1,
        )
    )
    (files / "jq_pretty.json").write_text(
        "".join(json.dumps(one, indent=2, ensure_ascii=False) + "\n" for one in records)
    )
    slack = [{"type": "message", "text": t, "kind": n, "ts": f"{_moment(at).timestamp():.6f}"} for t, n, at in ROWS]
    (files / "slack.json").write_text(json.dumps(slack, indent=4))
    reddit = [{"selftext": t, "link_flair_text": n, "created_utc": int(_moment(at).timestamp())} for t, n, at in ROWS]
    (files / "reddit.ndjson").write_text(_lines(reddit))
    mails = [(text, label, format_datetime(_moment(at))) for text, label, at in ROWS]
    (files / "mails_rfc2822.csv").write_text(_csv([("body", "folder", "Date"), *mails]))


def _annotation(files: Path) -> None:
    """doccano and Prodigy: the twelve rows, and answers that are no training row."""
    doccano = [{"id": i, "text": text, "label": [label], "Comments": []} for i, (text, label, _) in enumerate(ROWS, 1)]
    left_out = [{"id": 13, "text": "Nobody has labelled this", "label": [], "Comments": []}]
    (files / "doccano.jsonl").write_text(_lines(doccano + left_out))
    (files / "doccano.csv").write_text(
        _csv([("id", "text", "label"), *((i, t, n) for i, (t, n, _) in enumerate(ROWS, 1))])
    )
    binary, choice = [], []
    for i, (text, label, at) in enumerate(ROWS, 1):
        common = {"text": text, "_input_hash": -i, "_task_hash": i, "_timestamp": int(_moment(at).timestamp())}
        binary.append({**common, "label": label, "_view_id": "classification", "answer": "accept"})
        options = [{"id": name, "text": name} for name in NUMBER]
        choice.append({**common, "options": options, "accept": [label], "_view_id": "choice", "answer": "accept"})
    common = {"_input_hash": -99, "_task_hash": 99, "_timestamp": 1774958400}
    others = [
        {"text": "Not a bug at all", "label": "bug", "answer": "reject", **common},
        {"text": "Whatever this is", "label": "bug", "answer": "ignore", **common},
    ]
    (files / "prodigy.jsonl").write_text(_lines(binary + others))
    ignored = [{"text": "Whatever this is", "accept": [], "answer": "ignore", **common}]
    (files / "prodigy_choice.jsonl").write_text(_lines(choice + ignored))


def _plain(files: Path) -> None:
    """What hands and scripts do to a csv file."""
    header = ("text", "label", "created_at")
    table = [header, *((text, label, at.replace("T", " ")) for text, label, at in ROWS)]
    (files / "comment_lines.csv").write_text("# exported by tickets 4.2\n# rows: 12\n" + _csv(table))
    (files / "title_lines.csv").write_text("Tickets of March 2026\n\n" + _csv(table))
    (files / "header_repeated.csv").write_text(_csv(table[:7]) + _csv([header, *table[7:]]))
    (files / "trailing_comma.csv").write_text("".join(f"{line},\n" for line in _csv(_plain_rows()).splitlines()))
    (files / "header_spaces.csv").write_text(_csv(table).replace("text,label,created_at", "text, label, created_at", 1))
    (files / "blank_lines.csv").write_text(_csv(table).replace("\nN/A", "\n\nN/A") + "\n\n")
    (files / "quoted_all.csv").write_text(_csv(table, quoting=csv.QUOTE_ALL))
    (files / "crlf.csv").write_text(_csv(table, end="\r\n"), newline="")
    (files / "iso_zulu.csv").write_text(_csv([header, *((t, n, f"{at}.000Z") for t, n, at in ROWS)]))
    prompt = [{"prompt": text, "completion": label} for text, label, _ in ROWS]
    (files / "prompt_completion.jsonl").write_text(_lines(prompt))
    bom = _lines({"text": text, "label": label, "created_at": at} for text, label, at in ROWS)
    (files / "jsonl_bom.jsonl").write_bytes(bom.encode("utf-8-sig"))
    (files / "jsonl_as_txt.txt").write_text(bom)


def _plain_rows() -> list[tuple[str, ...]]:
    return [("text", "label", "created_at"), *((text, label, at or "") for text, label, at in PLAIN)]


def _folders(files: Path) -> None:
    """Folders with what lies about beside data."""
    header = ("text", "label", "created_at")
    halves = [_csv([header, *ROWS[:6]]), _csv([header, *ROWS[6:]])]
    for folder, beside in {
        "folder_of_a_person": {
            "README.md": "# Tickets\n",
            "Thumbs.db": "\xd0\xcf\x11\xe0",
            ".DS_Store": "\0\0\0\1Bud1",
        },
        "folder_kaggle": {"LICENSE": "CC0\n", "README.txt": "Tickets\n", "desktop.ini": "[.ShellClassInfo]\n"},
        "folder_databricks": {"_SUCCESS": "", "_committed_17": "{}", "_started_17": "", ".part-0.csv.crc": "crc"},
    }.items():
        (files / folder).mkdir(exist_ok=True)
        for name, content in beside.items():
            (files / folder / name).write_bytes(content.encode("latin-1"))
        for number, half in enumerate(halves):
            (files / folder / f"part-{number}.csv").write_text(half)
    for number, encoding in enumerate(("utf-8", "cp1252")):
        folder = files / "folder_two_encodings"
        folder.mkdir(exist_ok=True)
        half = _csv([header, *PLAIN[6 * number : 6 * number + 6]])
        (folder / f"part-{number}.csv").write_bytes(half.encode(encoding))
