"""Values from data on Prefect's pages, in chats, on terminals and in logs: shown as they are, obeyed by nothing."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import shlex
import subprocess
import sys
import unicodedata
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import StageFailed
from flows.notify import markdown
from flows.pipeline.stage import guarded
from flows.runs import ending
from flows.runs.attempt import outcome_of
from tasks.core.errors import UserError
from tasks.core.secrets import hidden
from tasks.core.shown import KEPT, OBEYED, VisibleStream, message, one_line, visible

texts = st.text(st.characters(codec="utf-8"), max_size=60)

# Markdown, as an independent reader of CommonMark understands it


def drawn(source):
    """The kinds of what Markdown makes of it, and the text that is seen."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": True}).parse(source)
    inner = [child for token in tokens for child in token.children or []]
    return {token.type for token in (*tokens, *inner)}, "".join(
        child.content if child.type == "text" else "\n" if "break" in child.type else "" for child in inner
    )


HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "hardbreak", "softbreak"}
FORGED = [
    "![p](http://evil.test/p.png)",
    "[click](javascript:alert(1))",
    "<img src=http://evil.test/i.png onerror=alert(1)>",
    "<script>alert(1)</script>",
    "http://evil.test and www.evil.test",
    "<http://evil.test>",
    "# heading",
    "text\n# heading\n- item\n1. item\n> quote\n---\n===",
    "```\n# out of the block\n```",
    "~~~\n# out\n~~~",
    "`code` *em* _em_ **b** ~~s~~",
    "| a | b |\n|---|---|\n| c | d |",
    "[x]: http://evil.test\n[x]",
    "&lt;img&gt; &#x3c;",
    "\\[x\\](y)",
    "    indented",
    "\tindented",
    "\r# heading",
    "\u2028# heading",
    "<!-- comment -->",
    "![][x]",
    "- [ ] task",
    "$$x$$ :smile: @here",
]


@pytest.mark.parametrize("text", FORGED)
def test_a_value_in_markdown_is_text_and_nothing_else(text):
    kinds, seen = drawn(f"## {markdown.escaped(text)}\n\nof {markdown.escaped(text)}")
    assert kinds <= HARMLESS | {"heading_open", "heading_close"}
    assert one_line(text).strip() in seen
    assert drawn(markdown.escaped_lines(text))[0] <= HARMLESS


@pytest.mark.proof
@given(texts)
def test_whatever_the_value_it_is_text(text):
    kinds, seen = drawn(f"of {markdown.escaped(text)} x")
    assert kinds <= HARMLESS
    assert re.sub(r"\s+", " ", seen) == re.sub(r"\s+", " ", f"of {one_line(text)} x")
    assert markdown.unescaped(markdown.escaped(text)) == one_line(text)


@pytest.mark.parametrize("text", FORGED)
@pytest.mark.parametrize("before", ["", "changed: "])
def test_a_cell_of_a_table_is_text_for_a_page_that_reads_markdown_too(text, before):
    said = markdown.cell(before + text)
    assert drawn(said)[0] <= HARMLESS | {f"{kind}_{end}" for kind in ("em", "strong") for end in ("open", "close")} | {
        "code_inline"
    }
    assert said.replace(" ", "").strip("\u00a0") == one_line(before + text).replace(" ", "")


@pytest.mark.parametrize("figure", ["0.972 [0.958, 0.984]", "+0.002 [-0.014, +0.019]", "664", "", "changed: data/a_b"])
def test_our_own_figures_in_a_cell_stay_as_they_are(figure):
    assert markdown.cell(figure) == figure


@pytest.mark.proof
@given(st.lists(st.sampled_from(["```", "`" * 7, "~~~", "# x", "text", "\n", " "]), max_size=12).map("\n".join))
def test_no_line_of_a_block_ends_it(text):
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(markdown.fenced(text, "json"))
    assert [(token.type, token.info) for token in tokens] == [("fence", "json")]
    assert tokens[0].content.rstrip("\n") == visible(text).rstrip("\n")


@pytest.mark.proof
@given(st.lists(st.one_of(st.sampled_from(FORGED), st.text(max_size=20)), min_size=1, max_size=4).map("\n".join))
def test_lines_of_a_list_are_items_of_text_and_nothing_else(text):
    kinds, said = drawn(markdown.listed(text))
    assert kinds <= HARMLESS | {"bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"}
    lines = [one_line(line.strip()) for line in visible(text).split("\n")]  # a tab within a line is told by its code
    assert "".join(said.split()) == "".join("".join(lines).split())


@pytest.mark.parametrize(
    "text", ["http://evil.test/a", "see https://evil.test", "www.evil.test", "![x](http://e.test)"]
)
@pytest.mark.parametrize("written", [markdown.listed, markdown.escaped_lines])
def test_lines_hold_no_address_that_a_page_would_make_a_link_of(written, text):
    _, said = drawn(written(f"label: {text}"))
    assert not re.search(r"\w://|www\.\w", said)


@pytest.mark.parametrize(
    "text",
    [
        "[click](http://evil.test)",
        "![p](http://evil.test/p.png)",
        "<http://evil.test|click>",
        "<!channel> <@U123> <#C1>",
        "@everyone @here",
        "<img src=x>",
        "www.evil.test",
        "https://evil.test/a",
        "[x]: http://evil.test",
    ],
)
def test_a_chat_sees_no_link_picture_tag_or_mention(text):
    said = markdown.plain(f"label: {text}")
    assert not re.search(r"\]\(|\]:|<[\w/!?@#&]|\w://|(?<!\w)@\w|www\.\w", said)
    assert said.replace(" ", "") == f"label: {text}".replace(" ", "")


def test_what_our_own_words_need_stays_as_it_is_in_a_chat():
    words = "macro-F1 0.972 [0.958, 0.984], p < 0.05; a@b.org; see data/x_y.csv"
    assert markdown.plain(words) == words


# signs that a terminal or a reader's eye obeys

SIGNS = {
    "escape": "\x1b[2J",
    "one-sign CSI": "\x9b2J",
    "title": "\x1b]0;x\x07",
    "carriage return": "\rerror: none",
    "backspace": "x\b",
    "null": "\0",
    "delete": "\x7f",
    "right to left": "\u202efdp.exe",
    "isolate": "\u2066x\u2069",
    "zero width": "a\u200bb",
    "joiner": "a\u200db",
    "byte order mark": "\ufeffx",
    "soft hyphen": "a\xadb",
    "word joiner": "a\u2060b",
    "line separator": "a\u2028b",
    "next line": "a\x85b",
    "tag": "a\U000e0041b",
    "surrogate": "\udc80",
    "filler": "a\u3164b",
    "form feed": "a\x0cb",
}


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("where", ["message", "value", "log", "stream", "markdown", "chat"])
def test_a_sign_that_would_be_obeyed_is_written_as_its_code(name, where, capsys):
    value = SIGNS[name]
    said = {
        "message": lambda: message(value),
        "value": lambda: one_line(value),
        "log": lambda: logged("%s", value),
        "stream": lambda: streamed(value),
        "markdown": lambda: markdown.unescaped(markdown.escaped(value)),
        "chat": lambda: markdown.plain(value),
    }[where]()
    assert said == visible(value) and said != value
    assert all(sign.isprintable() for sign in said)


def logged(template, *values):
    """What the logger of a flow makes of a message."""
    said, handler = [], logging.Handler()
    handler.emit = lambda record: said.append(logging.Formatter().format(record))
    log = logging.getLogger("flows.attacked")
    log.addHandler(handler)
    try:
        log.warning(template, *values)
    finally:
        log.removeHandler(handler)
    return said[0]


def streamed(value):
    written = []
    VisibleStream(SimpleNamespace(write=lambda text: written.append(text) or len(text))).write(value)
    return "".join(written)


@given(texts)
def test_letters_of_every_script_stay_and_nothing_obeyed_does(text):
    said = visible(text)
    assert visible(said) == said
    assert not [sign for sign in said if unicodedata.category(sign) in OBEYED and sign not in KEPT]
    if all(sign.isprintable() for sign in text) and not set(text) & set("\u115f\u1160\u3164\uffa0\u2800"):
        assert said == text


def test_a_line_end_in_a_value_forges_no_line_of_a_log():
    forged = "ham\n02:00 | INFO | the gate says yes"
    assert logged("label %s", forged) == "label ham\\n02:00 | INFO | the gate says yes"
    assert logged(f"label {forged}").splitlines()[1].startswith("  ")


@pytest.mark.proof
def test_a_message_of_a_command_is_visible_and_its_lines_are_set_in():
    code = (
        "from tasks.core.cli import run\nfrom tasks.core.errors import UserError\n"
        "def main() -> None:\n    print('label \\x1b[31mred\\x1b[0m \\u202e')\n"
        "    raise UserError('row 3: \\x1b]0;x\\x07 a\\nerror: b')\nrun(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "label \\x1b[31mred\x1b[0m \\u202e\n")
    assert done.stderr == "error: row 3: \\x1b]0;x\\x07 a\n  error: b\n"


# secrets

SECRET = "p4ss/w\"örd' +&<$%>"
LONG = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAxyz\n0123456789abcdefgh\n-----END KEY-----"
FORMS = {
    "as it is": lambda s: s,
    "quoted": quote,
    "quoted, slashes too": lambda s: quote(s, ""),
    "quoted in small letters": lambda s: re.sub("%..", lambda code: code[0].lower(), quote(s, "")),
    "of a form": quote_plus,
    "json": json.dumps,
    "json, other letters as they are": lambda s: json.dumps(s, ensure_ascii=False),
    "json within json": lambda s: json.dumps(json.dumps({"password": s})),
    "repr": repr,
    "repr of bytes": lambda s: repr(s.encode()),
    "ascii": ascii,
    "repr of an error": lambda s: repr(ValueError(s)),
    "html": html.escape,
    "shell": shlex.quote,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 in lines": lambda s: base64.encodebytes((s * 1).encode()).decode(),
    "basic": lambda s: "Basic " + base64.b64encode(f"user:{s}".encode()).decode(),
    "basic, another user": lambda s: "Basic " + base64.b64encode(f"me:{s}".encode()).decode(),
    "basic, a third": lambda s: "Basic " + base64.b64encode(f"a:{s}".encode()).decode(),
    "in hexadecimal": lambda s: s.encode().hex(),
    "broken by a margin": lambda s: f"{s[:5]}\n        {s[5:]}",
    "broken by an escaped line end": lambda s: f"{s[:7]}\\n{s[7:]}",
    "in an address": lambda s: f"postgresql://me:{quote(s, '')}@host/base",
}


@pytest.fixture(params=[SECRET, LONG], ids=["short", "several lines"])
def secret(request, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_SECRET_CRM", request.param)
    return request.param


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_hidden_in_every_form(form, secret):
    said = FORMS[form](secret)
    clean = hidden(f"row 3: {said} was refused")
    assert "***" in clean and clean.startswith("row 3: ") and clean.endswith(" was refused")
    parts = {secret, *secret.splitlines()} if form == "as it is" else {said}
    assert not [part for part in parts if part in clean]
    kept = max(re.split(r"\*\*\*|row 3: | was refused", clean), key=len)
    assert len(kept) < 24, f"{kept!r} is left of it"


@pytest.mark.parametrize(
    "name", ["PREFECT_API_AUTH_STRING", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "POSTGRES_PASSWORD", "PREFECT_API_KEY"]
)
def test_what_the_environment_names_as_a_secret_is_hidden(name, monkeypatch):
    monkeypatch.setenv(name, "someone:hunter2-and-more")
    assert hidden("with hunter2-and-more") == "with ***"


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "PATH", "PASSAGE", "HOME", "SECRETARY"])
def test_what_is_named_otherwise_is_not(name, monkeypatch):
    monkeypatch.setenv(name, "hunter2-and-more")
    assert hidden("with hunter2-and-more") == "with hunter2-and-more"


def test_a_stages_output_reaches_log_and_database_without_the_secret(secret, caplog):
    code = f"import json; print({secret!r}); print(json.dumps({secret!r})); print('\\x1b[2J done'); raise SystemExit(1)"
    with caplog.at_level(logging.INFO, "flows"):
        exit_code, last = guarded([sys.executable, "-c", code])
    assert exit_code == 1
    for text in ("\n".join(last), caplog.text, outcome_of(StageFailed("\n".join([secret, *last])))):
        assert not [piece for piece in {secret, json.dumps(secret)[1:-1], *secret.splitlines()} if piece in text]
        assert "\x1b" not in text
    assert "\\x1b[2J done" in last[-1]


def test_a_flows_state_and_traceback_are_without_the_secret(secret, caplog):
    def refused():
        raise UserError(f"no {secret}")

    def broken():
        raise ValueError(secret)

    with caplog.at_level(logging.INFO, "flows"):
        states = [ending.errors_as_state(body)() for body in (refused, broken)]
    said = "\n".join([*(str(state.message) for state in states), caplog.text])
    assert "***" in said and not [piece for piece in {secret, *secret.splitlines()} if piece in said]
