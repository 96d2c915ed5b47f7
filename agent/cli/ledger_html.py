"""The ledger as a page to hand to a lawyer: one file, ready to print, without scripts.

It begins with the verdict: does the chain hold? Each line follows in plain words, with its
detail, its digest and the text that the digest is taken of; the end explains how to check
all this without our software. A broken ledger is shown too, as far as it can be read, with
the line from which on it proves nothing.

Values are escaped: characters that cannot be printed or that turn the direction of writing
are spelled out (:func:`agent.cli.ledger_text.shown`).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from string import Template

from agent.cli.ledger_text import detail, local, sentence, shown, utc
from agent.errors import StorageFault
from agent.vault.records.ledger import Entry, Ledger, verify_chain

_BEFORE_ALL = -(2**63)  # a forged line may have any number

CHECK_PROGRAM = """\
import hashlib, json, sys

prev = "0" * 64
for number, text in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    line = json.loads(text)
    digest = line.pop("sha256")
    canonical = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    right = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    if line["seq"] != number or line["prev"] != prev or digest != right:
        sys.exit(f"line {number} is not what it was")
    prev = digest
print(f"whole; the last digest is {prev}")
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
public. Every request, decision and release is a line of this ledger. Each line carries the
digest of the line before it, so no line can be changed, removed or inserted without breaking
the chain.</p>
<div class="verdict$broken"><strong>$verdict</strong><br>$explained</div>
<dl>
<dt>Camera</dt><dd><bdi>$device</bdi></dd>
<dt>Lines</dt><dd>$lines</dd>
<dt>From</dt><dd>$first</dd>
<dt>To</dt><dd>$last</dd>
<dt>Digest of the last line</dt><dd><code>$head</code></dd>
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
<div class="when">SHA-256 <code>$sha256</code></div>
</section>
""")

_FOOT = Template("""\
<h2>How to check this without our software</h2>
<p>Each SHA-256 is taken of the text in braces above it, in UTF-8 without a final line break.
In that text, <code>prev</code> is the SHA-256 of the line before; in the first line it is 64
zeros.$spelled On the camera, <code>clip-agent ledger export &gt; ledger.jsonl</code> prints
the same lines for a computer; <code>python3 check.py ledger.jsonl</code> checks them with
this program:</p>
<pre>$program</pre>
<p>A chain reveals changes inside it. It cannot reveal that lines were removed at its end, or
that somebody with full control of the camera rewrote all of it. Therefore the camera tells its
owner the number and digest of its last line in every letter; the owner&rsquo;s computer keeps the
newest and warns when the camera later shows another. Compare the digest above with it. Times
are those of the camera&rsquo;s clock.</p>
</body>
</html>
""")


@dataclass(frozen=True)
class _Chain:
    """The result of the check: the number of lines that hold, and the trouble, if any."""

    whole: int
    trouble: str
    first: Entry | None
    last: Entry | None


def page(ledger: Ledger, *, device: str, now: float, version: str) -> Iterator[str]:
    """The page in pieces, in order; raises StorageFault for the disk's faults."""
    chain = _check(ledger)
    yield _head(chain, device=device, now=now, version=version)
    if chain.last is None:
        yield "<p>The ledger has no line yet.</p>\n"
    seen = 0
    try:
        for entry in ledger.entries(after=_BEFORE_ALL):
            if not chain.trouble and seen == chain.whole:
                break  # written while this page was made
            seen += 1
            yield _line(entry, broken=seen > chain.whole)
    except StorageFault as error:
        why = f"The rest cannot be read: {_text(error.message)}"
        yield f'<section class="line broken"><p>{why}</p></section>\n'
    spelled = (
        " Characters that cannot be printed are spelled out here as <code>\\u</code> and"
        " digits: check such a line with the program below."
    )
    yield _FOOT.substitute(program=html.escape(CHECK_PROGRAM), spelled=spelled)


def _check(ledger: Ledger) -> _Chain:
    whole, first, last = 0, None, None

    def counted() -> Iterator[Entry]:
        nonlocal whole, first, last
        for entry in ledger.entries(after=_BEFORE_ALL):
            yield entry
            whole, first, last = whole + 1, first or entry, entry  # it was accepted

    try:
        verify_chain(counted())
    except StorageFault as error:
        return _Chain(whole, error.message, first, last)
    return _Chain(whole, "", first, last)


def _head(chain: _Chain, *, device: str, now: float, version: str) -> str:
    if chain.trouble:
        verdict = f"THIS LEDGER IS BROKEN: {chain.trouble}"
        explained = (
            f"The {chain.whole} lines before it hold together. That line and all after it prove "
            "nothing: somebody may have changed the ledger. Compare it with an earlier export."
        )
    else:
        verdict = "This ledger holds together."
        explained = "Every line was checked: none was changed, removed or inserted."
    return _HEAD.substitute(
        device=_text(device),
        broken=" broken" if chain.trouble else "",
        verdict=_text(verdict),
        explained=_text(explained),
        lines=f"{chain.whole} that hold" if chain.trouble else chain.whole,
        first="-" if chain.first is None else utc(chain.first.at),
        last="-" if chain.last is None else utc(chain.last.at),
        head="0" * 64 if chain.last is None else _text(chain.last.sha256),
        made=utc(now),
        version=_text(version),
    )


def _line(entry: Entry, *, broken: bool) -> str:
    about = [("About", entry.subject)] if entry.subject else []
    rows = [*about, *((name, value) for name, value in entry.detail.items())]
    try:
        text = entry.text()
    except ValueError:
        text = "(a number in this line cannot be written in a ledger)"
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
        sha256=_text(entry.sha256),
    )


def _value(name: str, value: object) -> str:
    """A list as its members, one a line; a time as a date; other values as they are."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "<br>".join(map(_text, value))
    return html.escape(detail(name, value))


def _text(value: object) -> str:
    return html.escape(shown(value))
