"""Searches for secret bytes in everything that a process may reveal of itself."""

import base64


def frames_of_gnomon(error: BaseException) -> str:
    """Return every local variable and message that a crash reporter would send of our own frames."""
    shown: list[str] = []
    link: BaseException | None = error
    while link is not None:
        shown += [repr(link), str(link)]
        trace = link.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if str(frame.f_globals["__name__"]).startswith("gnomon."):
                shown.append(repr(frame.f_locals))
            trace = trace.tb_next
        link = link.__cause__ or link.__context__
    return "\n".join(shown)


def shows(text: str, secret: bytes) -> bool:
    """Return whether ``text`` contains ``secret`` literally, in hex or in base64."""
    forms = (repr(secret)[2:-1], secret.hex(), base64.b64encode(secret).decode().rstrip("="))
    return any(form in text for form in forms)
