"""Histograms of durations, and their text form that every HdrHistogram tool reads.

The text is HdrHistogram's compressed V2 encoding, as ``encodeIntoCompressedByteBuffer`` of its Java edition
writes it, in base64: a cookie and a length around a zlib stream, in which a header of 40 bytes is followed by
the counts as ZigZag LEB128 integers.
"""

import base64
import binascii
import struct
import zlib
from typing import NamedTuple

from latencykit._core import Histogram
from latencykit.errors import InvalidTypeError, InvalidValueError

__all__ = ["Histogram", "decode", "encode"]

_COMPRESSED_COOKIE = 0x1C849304
_PAYLOAD_COOKIE = 0x1C849303
# The second-lowest nibble of a cookie holds the word size in older versions; V2 writes 1 and ignores it.
_WORD_SIZE = 0x10
_WORD_SIZE_MASK = 0xF0
_OLDER_COOKIES = {0x1C849301: "V1", 0x1C849302: "V1", 0x1C849308: "V0", 0x1C849309: "V0"}

_ENVELOPE = struct.Struct(">II")
_HEADER = struct.Struct(">IIiIqqQ")
_BITS_OF_ONE = 0x3FF0000000000000
# The JavaScript edition writes an offset of 1 and an integer 1 as the ratio, and means none of either.
_UNSCALED = {(0, _BITS_OF_ONE), (1, 1)}
_MAX_BYTES_PER_COUNT = 9


class _Header(NamedTuple):
    cookie: int
    counts_length: int
    normalizing_offset: int
    digits: int
    lowest: int
    highest: int
    ratio_bits: int


def encode(histogram: Histogram) -> str:
    """Encode a histogram as HdrHistogram's compressed V2 text.

    Args:
        histogram: Any histogram, the empty one included. Its `saturated` is not part of the format.

    Returns:
        Base64 text without line breaks.
    """
    counts = histogram.encode_counts()
    header = _Header(
        _PAYLOAD_COOKIE | _WORD_SIZE,
        len(counts),
        0,
        histogram.digits,
        histogram.lowest,
        histogram.highest,
        _BITS_OF_ONE,
    )
    body = zlib.compress(_HEADER.pack(*header) + counts)
    return base64.b64encode(_ENVELOPE.pack(_COMPRESSED_COOKIE | _WORD_SIZE, len(body)) + body).decode("ascii")


def decode(text: str | bytes) -> Histogram:
    """Decode HdrHistogram's compressed V2 text, from any edition that writes it.

    Before anything is unpacked, memory is bounded by what a histogram of the stated range and digits holds.

    Args:
        text: Base64 text; white space around it is ignored.

    Returns:
        A histogram equal to the encoded one; `saturated` is 0.

    Raises:
        InvalidTypeError: The argument is neither str nor bytes.
        InvalidValueError: The text is damaged, of another version, or scaled (a DoubleHistogram).
    """
    stream = zlib.decompressobj()
    header, rest = _read_header(stream, _open_envelope(_unwrap_base64(text)))
    histogram = Histogram(header.lowest, header.highest, header.digits)
    histogram.decode_counts(_read_counts(stream, rest, header, histogram.buckets))
    return histogram


def _unwrap_base64(text: str | bytes) -> bytes:
    if not isinstance(text, str | bytes):
        raise InvalidTypeError(f"an encoded histogram is text, not {type(text).__name__}; pass str or bytes")
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValueError(f"the encoded histogram {_excerpt(text)} is not base64: {error}") from None


def _excerpt(text: str | bytes) -> str:
    return repr(text) if len(text) <= 24 else repr(text[:24]) + "..."


def _open_envelope(data: bytes) -> bytes:
    if len(data) < _ENVELOPE.size:
        raise InvalidValueError(
            f"the encoded histogram has {len(data)} bytes, too few for its cookie and length"
        )
    cookie, length = _ENVELOPE.unpack_from(data)
    _check_cookie(cookie, _COMPRESSED_COOKIE, "compressed V2")
    body = data[_ENVELOPE.size :]
    if length != len(body):
        raise InvalidValueError(f"the encoded histogram states {length} compressed bytes but has {len(body)}")
    return body


def _check_cookie(cookie: int, expected: int, kind: str) -> None:
    base = cookie & ~_WORD_SIZE_MASK
    if base == expected:
        return
    version = f" (format {_OLDER_COOKIES[base]})" if base in _OLDER_COOKIES else ""
    raise InvalidValueError(
        f"the cookie {cookie:#010x}{version} is not that of {kind}, {expected | _WORD_SIZE:#010x}; "
        "encode the histogram as V2"
    )


def _read_header(stream: "zlib._Decompress", body: bytes) -> tuple[_Header, bytes]:
    start = _decompress(stream, body, _HEADER.size)
    if len(start) < _HEADER.size:
        raise InvalidValueError(
            f"the encoded histogram ends after {len(start)} of {_HEADER.size} header bytes"
        )
    header = _Header._make(_HEADER.unpack(start))
    _check_cookie(header.cookie, _PAYLOAD_COOKIE, "a V2 histogram")
    if (header.normalizing_offset, header.ratio_bits) not in _UNSCALED:
        raise InvalidValueError(
            f"the histogram is scaled or shifted (offset {header.normalizing_offset}, ratio bits "
            f"{header.ratio_bits:#x}); only integer histograms can be decoded"
        )
    return header, stream.unconsumed_tail


def _read_counts(stream: "zlib._Decompress", rest: bytes, header: _Header, buckets: int) -> bytes:
    if header.counts_length > buckets * _MAX_BYTES_PER_COUNT:
        raise InvalidValueError(
            f"the encoded histogram states {header.counts_length} bytes of counts, "
            f"more than its {buckets} buckets need"
        )
    # One byte more than stated is asked for, so that a longer stream shows.
    counts = _decompress(stream, rest, header.counts_length + 1)
    if len(counts) != header.counts_length:
        more = "more" if len(counts) > header.counts_length else f"only {len(counts)}"
        raise InvalidValueError(
            f"the encoded histogram states {header.counts_length} bytes of counts but has {more}"
        )
    if not stream.eof or stream.unused_data:
        raise InvalidValueError("the encoded histogram's zlib stream does not end where its counts end")
    return counts


def _decompress(stream: "zlib._Decompress", data: bytes, limit: int) -> bytes:
    try:
        return stream.decompress(data, limit)
    except zlib.error as error:
        raise InvalidValueError(f"the encoded histogram is damaged: {error}") from None
