"""Text from the user's program, made harmless wherever it is shown."""

from __future__ import annotations

import re

#: Control characters, and those that change the direction of text on screen.
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNSAFE_IN_BLOCK = re.compile(UNSAFE.pattern.replace(r"\x00-\x1f", r"\x00-\x08\x0b-\x1f"))


def harmless(value: object, limit: int | None = None) -> str:
    """The text on one line; control characters are shown as ``\\x1b``, never sent.

    limit : characters of the answer; a longer text ends in an ellipsis
    """
    text = str(value) if limit is None else str(value)[: 4 * limit]
    text = re.sub(r"[ \t]*\r?\n[ \t]*", " ", text.strip()).replace("\t", "    ")
    return clip(UNSAFE.sub(visible, text), limit)


def harmless_block(value: object, limit: int | None = None) -> str:
    """The text with its lines and tabs; other control characters are shown as escapes."""
    text = str(value) if limit is None else str(value)[: 4 * limit]
    return clip(_UNSAFE_IN_BLOCK.sub(visible, text.replace("\r\n", "\n")), limit)


def clip(text: str, limit: int | None) -> str:
    """The text, cut at ``limit`` characters with an ellipsis."""
    return text if limit is None or len(text) <= limit else text[: max(0, limit - 1)] + "…"


def visible(match: re.Match[str]) -> str:
    """The escape of a character: ``\\x1b`` or ``\\u202e``."""
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
