"""The ledger as a page to hand to a lawyer: one file, ready to print, without scripts.

It begins with the verdict: do the lines hold together? Each line follows in plain words, with its
detail, its digest and the text that the digest is taken of; the end explains how to check
all this without our software. A broken ledger is shown too, as far as it can be read, with
the line from which on it proves nothing.

Values are escaped: characters that cannot be printed or that turn the direction of writing
are spelled out (:func:`agent.vault.ledger_text.shown`).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from string import Template
from typing import Protocol

from agent.consent.statements import LedgerHead
from agent.errors import StorageFault
from agent.vault.ledger_text import detail, local, sentence, shown, utc
from agent.vault.records.ledger import Entry

_BEFORE_ALL = -(2**63)  # a forged line may have any number

CHECK_PROGRAM = """\
import hashlib, json, sys

def sha256(data):
    return hashlib.sha256(data).digest()

def root():
    node = parts[-1][1] if parts else sha256(b"")
    for _, left in parts[-2::-1]:
        node = sha256(b"\\1" + left + node)
    return node.hex()

wanted = dict(head.split(":") for head in sys.argv[2:])
number, parts = 0, []  # of 8, 4, 2, 1 ... lines: how many, and the root over them
for number, line in enumerate(open(sys.argv[1], "rb"), 1):
    text = line.removesuffix(b"\\n")
    if json.loads(text)["seq"] != number:
        sys.exit(f"line {number} is missing")
    size, node = 1, sha256(b"\\0" + text)
    while parts and parts[-1][0] == size:
        size, node = 2 * size, sha256(b"\\1" + parts.pop()[1] + node)
    parts.append((size, node))
    if wanted.pop(str(number), root()) != root():
        sys.exit(f"the first {number} lines are not what they were")
if wanted:
    sys.exit(f"line {number + 1} is missing")
print(f"{number}:{root()}")
"""

_HEAD = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Ledger of the camera $device</title>
<style>
html { font: 15px/1.45 Georgia, "DejaVu Serif", serif; color: #111; background: #fff }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; line-height: 1.2 }
h2 { font-size: 1.2rem; margin-top: 2.2rem; break-after: avoid }
bdi, code, pre, dd { overflow-wrap: anywhere }
code, pre { font: 0.78rem/1.4 "DejaVu Sans Mono", Menlo, Consolas, monospace }
pre { white-space: pre-wrap; background: #f4f4f2; padding: 0.5rem 0.7rem; margin: 0.4rem 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0.5rem 0 }
dt { color: #555 }
dd { margin: 0 }
.verdict { border: 2px solid #1c6b2d; padding: 0.7rem 1rem; margin: 1.2rem 0 }
.verdict.broken, .line.broken { border-color: #b3131b }
.verdict strong { font-size: 1.1rem }
.line { border-top: 1px solid #999; padding: 0.8rem 0; break-inside: avoid }
.line.broken { border-left: 4px solid #b3131b; padding-left: 0.8rem }
.line p { margin: 0.2rem 0 0.4rem; font-size: 1.05rem }
.when { color: #555 }
.no { font-weight: bold; color: #111 }
@media print {
  html { font-size: 10.5pt }
  body { max-width: none; margin: 0; padding: 0 }
  pre { background: none; border-left: 2px solid #bbb }
  @page {
    margin: 18mm 16mm;
    @bottom-right { content: "page " counter(page) " of " counter(pages) }
  }
}
</style>
</head>
<body>
<h1>Ledger of the camera <bdi>$device</bdi></h1>
<p>A camera with clip-agent records for its owner alone. Anyone who wants a clip must ask in
public. Every request, decision and release is a line of this ledger. The head of the
ledger, its number of lines and one hash over all of them, shows any line that was changed,
removed or inserted later.</p>
<div class="verdict$broken"><strong>$verdict</strong><br>$explained</div>
<dl>
<dt>Camera</dt><dd><bdi>$device</bdi></dd>
<dt>Lines</dt><dd>$lines</dd>
<dt>From</dt><dd>$first</dd>
<dt>To</dt><dd>$last</dd>
<dt>Head of the ledger</dt><dd><code>$head</code></dd>
<dt>This page was made</dt><dd>$made, by clip-agent $version</dd>
</dl>
<h2>The lines</h2>
""")

_LINE = Template("""\
<section class="line$broken">
<div class="when"><span class="no">$seq</span> &middot; $utc &middot;
by the camera&rsquo;s zone: $local</div>
<p><bdi>$sentence</bdi></p>
<dl>
<dt>Event</dt><dd><code>$event</code></dd>
$rows</dl>
<pre>$text</pre>
<div class="when">Hash <code>$leaf</code></div>
</section>
""")

_FOOT = Template("""\
<h2>How to check this without our software</h2>
<p>The hash of a line is the SHA-256 of a zero byte and the text in braces above it, in UTF-8
without a line break.$spelled All hashes together make the root in the head of the ledger, as the
public logs of certificates do it (RFC 6962, section 2.1). On the camera, <code>clip-agent ledger
export &gt; ledger.jsonl</code> prints the same lines for a computer; <code>python3 check.py
ledger.jsonl</code> prints their head with this program, and <code>python3 check.py ledger.jsonl
HEAD</code> checks that the ledger begins with the lines under an earlier head:</p>
<pre>$program</pre>
<p>Whoever has full control of the camera can write another ledger with another head. Therefore
the camera tells its owner the head in every letter, with a proof that the ledger grew from the
head of before; the owner&rsquo;s computer checks that and warns. Compare the head above with a head
from another time or place. Times are those of the camera&rsquo;s clock.</p>
</body>
</html>
""")


class Lines(Protocol):
    """A ledger (:class:`agent.vault.records.ledger.Ledger`), or a copy of one."""

    def head(self, size: int | None = None) -> LedgerHead:
        """The root over all lines, or the first ``size``."""

    def checked(self, expected: LedgerHead | None = None) -> Iterator[Entry]:
        """Each line once it is checked; StorageFault names the first that is broken."""

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The lines after a number."""


@dataclass(frozen=True)
class _Verdict:
    """The result of the check: the number of lines that hold, and the trouble, if any."""

    whole: int
    trouble: str
    first: Entry | None
    last: Entry | None
    head: str  # of the lines that hold


def page(ledger: Lines, *, device: str, now: float, version: str) -> Iterator[str]:
    """The page in pieces, in order; raises StorageFault for the disk's faults."""
    verdict = _check(ledger)
    yield _head(verdict, device=device, now=now, version=version)
    if verdict.last is None:
        yield "<p>The ledger has no line yet.</p>\n"
    seen = 0
    try:
        for entry in ledger.entries(after=_BEFORE_ALL):
            if not verdict.trouble and seen == verdict.whole:
                break  # written while this page was made
            seen += 1
            yield _line(entry, broken=seen > verdict.whole)
    except StorageFault as error:
        why = f"The rest cannot be read: {_text(error.message)}"
        yield f'<section class="line broken"><p>{why}</p></section>\n'
    spelled = (
        " Characters that cannot be printed are spelled out here as <code>\\u</code> and"
        " digits: check such a line with the program below."
    )
    yield _FOOT.substitute(program=html.escape(CHECK_PROGRAM), spelled=spelled)


def _check(ledger: Lines) -> _Verdict:
    whole, trouble, first, last = 0, "", None, None
    try:
        for entry in ledger.checked():
            whole, first, last = whole + 1, first or entry, entry
    except StorageFault as error:
        trouble = error.message
    return _Verdict(whole, trouble, first, last, str(ledger.head(whole)))


def _head(verdict: _Verdict, *, device: str, now: float, version: str) -> str:
    if verdict.trouble:
        said = f"THIS LEDGER IS BROKEN: {verdict.trouble}"
        explained = (
            f"The {verdict.whole} lines before it hold together. That line and all after it prove "
            "nothing: somebody may have changed the ledger. Compare it with an earlier export."
        )
    else:
        said = "This ledger holds together."
        explained = "Every line was checked: none was changed, removed or inserted."
    return _HEAD.substitute(
        device=_text(device),
        broken=" broken" if verdict.trouble else "",
        verdict=_text(said),
        explained=_text(explained),
        lines=f"{verdict.whole} that hold" if verdict.trouble else verdict.whole,
        first="-" if verdict.first is None else utc(verdict.first.at),
        last="-" if verdict.last is None else utc(verdict.last.at),
        head=verdict.head,
        made=utc(now),
        version=_text(version),
    )


def _line(entry: Entry, *, broken: bool) -> str:
    about = [("About", entry.subject)] if entry.subject else []
    rows = [*about, *((name, value) for name, value in entry.detail.items())]
    try:
        text, leaf = entry.text(), entry.leaf().hex()
    except ValueError:
        leaf, text = "-", "(a number in this line cannot be written in a ledger)"
    return _LINE.substitute(
        broken=" broken" if broken else "",
        seq=entry.seq,
        utc=utc(entry.at),
        local=local(entry.at),
        sentence=_text(sentence(entry)),
        event=_text(entry.event),
        rows="".join(
            f"<dt>{_text(name)}</dt><dd><bdi>{_value(name, value)}</bdi></dd>\n"
            for name, value in rows
        ),
        text=_text(text),
        leaf=leaf,
    )


def _value(name: str, value: object) -> str:
    """A list as its members, one a line; a time as a date; other values as they are."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "<br>".join(map(_text, value))
    return html.escape(detail(name, value))


def _text(value: object) -> str:
    return html.escape(shown(value))
