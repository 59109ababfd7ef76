"""Objects of an S3-compatible store land as their own bytes; a real server speaks the protocol."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tasks.core.errors import UserError
from tasks.land import store
from tests.support.landing import landed

pytestmark = pytest.mark.slow
ONE, TWO = b"text,label\nhello there,ham\n", b"text,label\nwin now,spam\n"


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket of its own, and how to write into it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "who",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    store = boto3.resource("s3", endpoint_url=server).Bucket("mails")
    store.create()
    yield store
    store.objects.delete()
    store.delete()


def parts():
    return [file.read_bytes() for file in sorted(Path("data/landing/mail").glob("[0-9]*"))]


@pytest.fixture
def read(monkeypatch):
    """The keys that were read, as they are."""
    keys, copy = [], store._copy_unchanged

    def reading(name, connected, address, key, limits, to):
        keys.append(key)
        copy(name, connected, address, key, limits, to)

    monkeypatch.setattr(store, "_copy_unchanged", reading)
    return keys


def test_what_is_new_below_a_prefix_lands_once_in_name_order(server, bucket):
    bucket.put_object(Key="in/b.csv", Body=TWO)
    bucket.put_object(Key="in/a.csv", Body=ONE)
    bucket.put_object(Key="in/_SUCCESS", Body=b"")
    bucket.put_object(Key="other/c.csv", Body=b"text,label\nnot asked for,ham\n")
    landed(source="s3://mails/in/", endpoint=server)
    assert parts() == [ONE, TWO]
    landed(source="s3://mails/in/", endpoint=server)
    assert parts() == [ONE, TWO]
    bucket.put_object(Key="in/0.csv", Body=b"text,label\nlater,ham\n")
    landed(source="s3://mails/in/*.csv", endpoint=server)
    assert parts() == [ONE, TWO, b"text,label\nlater,ham\n"]


def test_an_object_that_is_listed_as_before_is_not_read_again(server, bucket, read):
    bucket.put_object(Key="in/a.csv", Body=ONE)
    bucket.put_object(Key="in/b.csv", Body=TWO)
    landed(source="s3://mails/in/", endpoint=server)
    assert read == ["mails/in/a.csv", "mails/in/b.csv"]
    read.clear()
    bucket.put_object(Key="in/c.csv", Body=b"text,label\nlater,ham\n")
    bucket.put_object(Key="in/b.csv", Body=b"text,label\nchanged,spam\n")
    landed(source="s3://mails/in/", endpoint=server, dry=True)
    landed(source="s3://mails/in/", endpoint=server)
    assert read == ["mails/in/b.csv", "mails/in/c.csv"] * 2  # a trial changes nothing
    assert parts() == [ONE, TWO, b"text,label\nchanged,spam\n", b"text,label\nlater,ham\n"]
    read.clear()
    landed(source="s3://mails/in/", endpoint=server)
    assert read == []
    landed(source="s3://mails/in/", endpoint=server, full=True)
    assert len(read) == 3
    assert len(parts()) == 4


def test_the_bytes_decide_what_is_a_part_whatever_the_record_says(server, bucket, read):
    bucket.put_object(Key="in/a.csv", Body=ONE)
    landed(source="s3://mails/in/", endpoint=server)
    Path("data/landing/mail/.objects.json").unlink()
    bucket.put_object(Key="in/copy.csv", Body=ONE)  # other key, same bytes
    landed(source="s3://mails/in/", endpoint=server)
    assert parts() == [ONE]
    assert read == ["mails/in/a.csv", "mails/in/a.csv", "mails/in/copy.csv"]
    Path("data/landing/mail/.objects.json").write_text("[1]")
    with pytest.raises(UserError, match=r"\.objects\.json is no record of objects: remove it"):
        landed(source="s3://mails/in/", endpoint=server)


def test_an_object_that_was_refused_is_read_until_it_is_right(server, bucket, read):
    bucket.put_object(Key="in/a.csv", Body=ONE)
    bucket.put_object(Key="in/b.csv", Body=b"<html><body>log in</body></html>")
    for _ in range(2):
        with pytest.raises(UserError, match="holds a web page"):
            landed(source="s3://mails/in/", endpoint=server)
    assert read == ["mails/in/a.csv", "mails/in/b.csv", "mails/in/b.csv"]
    bucket.put_object(Key="in/b.csv", Body=TWO)
    landed(source="s3://mails/in/", endpoint=server)
    assert parts() == [ONE, TWO]


def test_one_object_that_has_grown_lands_what_was_appended(server, bucket):
    bucket.put_object(Key="log.csv", Body=ONE)
    landed(source="s3://mails/log.csv", endpoint=server)
    bucket.put_object(Key="log.csv", Body=ONE + b"more,spam\n")
    landed(source="s3://mails/log.csv", endpoint=server)
    assert parts() == [ONE, b"text,label\nmore,spam\n"]


@pytest.mark.long
def test_what_is_not_there_or_cannot_be_reached_is_one_sentence(server, bucket, monkeypatch):
    with pytest.raises(UserError, match="no object matches s3://mails/none/"):
        landed(source="s3://mails/none/", endpoint=server)
    with pytest.raises(UserError, match=r"there is no s3://absent|no object matches s3://absent"):
        landed(source="s3://absent/in/", endpoint=server)
    bucket.put_object(Key="page.csv", Body=b"<html><body>log in</body></html>")
    with pytest.raises(UserError, match="holds a web page"):
        landed(source="s3://mails/page.csv", endpoint=server)
    monkeypatch.setattr("tasks.land.__main__.MAX_ATTEMPTS", 1)
    with pytest.raises(UserError, match="the store cannot be reached"):
        landed(source="s3://mails/in/", endpoint="http://127.0.0.1:9")


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("tasks.core.extras.has_package", lambda _: False)
    with pytest.raises(UserError, match=r"s3fs is not installed: run .*\[s3\]"):
        landed(source="s3://mails/in/")
