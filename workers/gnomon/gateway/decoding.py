"""Unpacks bodies by their ``Content-Encoding``, up to a limit: a small body can unpack without end."""

import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

with suppress(ImportError):
    import cramjam

GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB, _RAW = zlib.MAX_WBITS, -zlib.MAX_WBITS
_DEFLATE: Final = 8
"""Method of a zlib header, the low four bits of its first byte."""
_PIECE_BYTES: Final = 1 << 16

SUPPORTED: Final = ("gzip", "x-gzip", "deflate", *(("zstd",) if "cramjam" in globals() else ()))
"""Encodings that are read beside ``identity``."""


class TooLargeError(Exception):
    """The body is larger than the limit, packed or unpacked."""


class UnsupportedEncodingError(Exception):
    """The body is packed in a way that is not read."""


class BadEncodingError(Exception):
    """The body is not packed as its header says."""


async def read_body(pieces: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """Read and unpack a body.

    Args:
        pieces: The body as it arrives.
        encoding: Value of ``Content-Encoding``; empty if there is none.
        limit: Most bytes, before and after unpacking.

    Raises:
        BadEncodingError: The body is not packed as ``encoding`` says.
        TooLargeError: It is larger than ``limit``.
        UnsupportedEncodingError: ``encoding`` is not read.
    """
    name = encoding.strip().lower()
    if name not in {"", "identity", *SUPPORTED}:
        raise UnsupportedEncodingError(name)
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > limit:
            raise TooLargeError
    if name in {"", "identity"}:
        return bytes(body)
    try:
        return _zstd(body, limit) if name == "zstd" else _inflated(body, name, limit)
    except zlib.error as error:
        raise BadEncodingError from error


def _inflated(body: bytearray, name: str, limit: int) -> bytes:
    wbits = GZIP
    if name == "deflate":
        # RFC 9110 means zlib's format; some senders leave out its header.
        has_header = (
            len(body) > 1 and body[0] & 15 == _DEFLATE and int.from_bytes(body[:2], "big") % 31 == 0
        )
        wbits = _ZLIB if has_header else _RAW
    unpacked, packed = bytearray(), bytes(body)
    while packed:
        stream = zlib.decompressobj(wbits)
        while packed and not stream.eof:
            unpacked += stream.decompress(packed, _PIECE_BYTES)
            packed = stream.unconsumed_tail
            if len(unpacked) > limit:
                raise TooLargeError
        if not stream.eof:
            unpacked += stream.flush(_PIECE_BYTES)
            if not stream.eof:
                raise BadEncodingError
        # A gzip file may have several members, one behind the other.
        packed = stream.unused_data
        if packed and wbits != GZIP:
            raise BadEncodingError
    if len(unpacked) > limit:
        raise TooLargeError
    return bytes(unpacked)


def _zstd(body: bytearray, limit: int) -> bytes:
    if not body:
        raise BadEncodingError
    # Into a buffer of the limit's size: the library's own buffer would grow without one.
    unpacked = bytearray(limit + 1)
    try:
        size = cramjam.zstd.decompress_into(bytes(body), unpacked)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):
            raise TooLargeError from error
        raise BadEncodingError from error
    if size > limit:
        raise TooLargeError
    return bytes(memoryview(unpacked)[:size])
