"""Text as HTML: everything is escaped, only code in backticks, lists and paragraphs are formed."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

from trema.core.numbers import number_word, show
from trema.core.text import harmless, harmless_block

_CODE = re.compile(r"`([^`\n]+)`")
_STRONG = re.compile(r"\*\*([^*\n]+)\*\*")
_EMPHASIS = re.compile(r"(?<![*\w])\*(\S[^*\n]*?)(?<=\S)\*(?![*\w])")
_WEB = re.compile(r"https?://[^\s\"'<>]{1,2000}")


def esc(value: object, limit: int | None = 2000) -> str:
    """Text on one line; characters that turn the direction of text are shown as escapes."""
    return html.escape(harmless(value, limit), quote=True)


def block(value: object, limit: int | None = None) -> str:
    """Text with its lines, for ``pre``."""
    return html.escape(harmless_block(value, limit), quote=True)


def prose(value: object, limit: int = 4000) -> str:
    """One line of text in which `` `code` `` is set apart."""
    parts = _CODE.split(harmless(value, limit))
    return "".join(
        f"<code>{html.escape(part)}</code>" if number % 2 else html.escape(part)
        for number, part in enumerate(parts)
    )


def paragraphs(markdown: str) -> str:
    """The Markdown of a check's page: paragraphs, lists, code and strong words."""
    return "".join(_part(part) for part in re.split(r"\n\s*\n", markdown.strip()) if part.strip())


def _part(text: str) -> str:
    lines = text.strip("\n").splitlines()
    if lines[0].startswith("|"):
        return _table(lines)
    if not re.match(r"\s*[-*] ", lines[0]):
        return f"<p>{_strong(text)}</p>"
    items: list[str] = []
    for line in lines:
        if found := re.match(r"\s*[-*] (.*)", line):
            items.append(found[1])
        else:
            items[-1] += " " + line.strip()
    return "<ul>" + "".join(f"<li>{_strong(item)}</li>" for item in items) + "</ul>"


def _table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    formed = [
        "".join(f"<{tag}>{_strong(cell)}</{tag}>" for cell in row)
        for row, tag in zip(rows, ["th", *["td"] * len(rows)], strict=False)
    ]
    shown = "".join(f"<tr>{row}</tr>" for row in formed)
    return f'<div class="table"><table>{shown}</table></div>'


def _strong(text: str) -> str:
    """Prose in which ``**words**`` and ``*words*`` are set apart, outside code."""
    parts = re.split("(<code>.*?</code>)", prose(text, 20_000))
    return "".join(part if place % 2 else _words(part) for place, part in enumerate(parts))


def _words(text: str) -> str:
    return _EMPHASIS.sub(r"<em>\1</em>", _STRONG.sub(r"<strong>\1</strong>", text))


def link(address: str | None, label: str) -> str:
    """A link to the web; nothing for any other kind of address."""
    if address is None or not _WEB.fullmatch(address):
        return ""
    return f'<a href="{esc(address)}" rel="noreferrer noopener">{esc(label)}</a>'


# numbers ----------------------------------------------------------------------------------


def figure(value: Any) -> str:
    """A number of the API for a person, with thousands apart; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return {"nan": "NaN", "inf": "∞", "-inf": "−∞"}.get(value, "–")
    number = float(value)
    if number != number or abs(number) == float("inf"):
        return figure(number_word(number))
    if number == int(number) and abs(number) < 1e7:
        return f"{int(number):,}".replace("-", "−")
    return show(number).replace("-", "−")


def span(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def moment(seconds: float) -> str:
    """A point in time, in UTC; a dash where it is not known."""
    try:
        if seconds <= 0:
            raise ValueError
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return "–"


def plural(number: int, word: str) -> str:
    """``3 epochs``, ``1 epoch``."""
    return f"{number:,} {word}{'s' * (number != 1)}"
