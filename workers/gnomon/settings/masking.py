"""Hides secrets in what is shown of settings."""

import re
from typing import Final

HIDDEN: Final = "***"

_PASSWORD: Final = re.compile(r"(?<=://)([^/?#\s]*?):([^/?#\s]*)@")
"""A password ends at the last ``@`` before the path: it may contain one itself."""
_OPTION: Final = re.compile(
    r"(?i)((?:[?&]|\b)[\w.-]*(?:password|passwd|secret|token)[\w.-]*=)[^&\s]+"
)


def masked_url(text: str) -> str:
    """Return ``text`` without the passwords of URLs in it, whether before the host or as an option."""
    return _OPTION.sub(rf"\g<1>{HIDDEN}", _PASSWORD.sub(rf"\g<1>:{HIDDEN}@", text))
