"""Whether a certificate was signed by nobody else, so that Telegram has to be given it."""

import re
import ssl
from collections.abc import Iterator

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
_LONG = 0x80


def is_self_signed(pem: str) -> bool:
    """Whether a PEM file that OpenSSL has read holds a certificate that is its own issuer.

    `ssl` can be asked for certificates of authorities alone, and one that somebody made for a bot may be none.
    """
    return any(_is_own_issuer(ssl.PEM_cert_to_DER_cert(each)) for each in _PEM.findall(pem))


def _is_own_issuer(der: bytes) -> bool:
    """RFC 5280, 4.1: a certificate begins with a version, a number, an algorithm, issuer, validity and subject."""
    certificate = next(_elements(der))[1]
    signed = next(_elements(certificate))[1]
    _, _, issuer, _, subject, *_ = (content for tag, content in _elements(signed) if tag != _VERSION)
    return issuer == subject


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of what stands one after the other (X.690, 8.1)."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & _LONG:
            digits = length - _LONG
            length = int.from_bytes(der[at : at + digits])
            at += digits
        yield tag, der[at : at + length]
        at += length
