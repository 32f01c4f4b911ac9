"""Decodes text: UTF-8, UTF-16 and UTF-32, with or without a byte order mark."""

import codecs

from app.errors import RefusedTextError

_MARKS = (
    # The mark of UTF-32 little endian begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_LOOK = 1000
"""Bytes that decide whether text without a mark is UTF-16: most characters of European text have one NUL."""
_SHARE = 0.35


def decode(data: bytes) -> str:
    """Return `data` as text. Raises RefusedTextError if it is not Unicode text."""
    encoding = encoding_of(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding in {"utf-8", "utf-8-sig"}:
            raise RefusedTextError(f"not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error
        raise RefusedTextError(f"damaged {encoding.upper()} (byte {error.start + 1})") from error
    if "\0" in text:
        raise RefusedTextError("not text: it holds NUL characters")
    return text


def encoding_of(data: bytes) -> str:
    """Return the encoding of `data` by its byte order mark, else by its NULs, else UTF-8."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    look = data[:_LOOK]
    if len(look) % 2 == 0 or len(data) > len(look):
        high, low = look[0::2].count(0), look[1::2].count(0)
        enough = len(look) * _SHARE / 2
        if low > enough and not high:
            return "utf-16-le"
        if high > enough and not low:
            return "utf-16-be"
    return "utf-8"
