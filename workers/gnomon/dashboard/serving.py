"""Serves the pages with Streamlit, which is imported here and in ``pages`` only."""

import os
import socket
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from streamlit.web import bootstrap

from gnomon.dashboard.looks import look
from gnomon.errors import ConfigurationError
from gnomon.runtime.process.priority import be_nice
from gnomon.settings import Settings

SCRIPT: Final = Path(__file__).parent / "entry" / "script.py"


def free_port(host: str, port: int) -> int:
    """Return ``port``, or for 0 one that is free.

    Raises:
        ConfigurationError: It is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        reason = error.strerror or error
        raise ConfigurationError(
            f"cannot serve on {host}:{port}: {reason}; choose another with --port or --host"
        ) from error


def options_of(host: str, port: int) -> dict[str, Any]:
    """Return Streamlit's options. They are above those in its files of settings."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",  # without the button Deploy
        "client.showErrorDetails": "none",
        "client.showSidebarNavigation": False,
        "global.developmentMode": False,
        "runner.magicEnabled": False,
        "logger.level": "warning",
        "logger.hideWelcomeMessage": True,
        **look(),
    }


def _yield_to_workers(increment: int) -> None:
    """Lower the priority of this process, and of its session unless others are in it.

    ``gnomon up`` runs this process in a session of its own; a shell runs it in that of its terminal.
    """
    if os.getsid(0) == os.getpid():
        be_nice(increment)
    else:
        os.nice(increment)


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: The port is taken.
    """
    port = free_port(host, port)
    import_module("gnomon.dashboard.app")  # takes seconds, for which the first reader would wait
    warming = import_module("gnomon.dashboard.warming")
    shown = f"[{host}]" if ":" in host else host
    print(f"gnomon dashboard: http://{shown}:{port}", flush=True)  # noqa: T201  where to look
    _yield_to_workers(settings.nice)
    os.environ.update(settings.as_environ())  # the script reads them
    options = options_of(host, port)
    bootstrap.load_config_options(options)
    warming.warm_up()
    bootstrap.run(str(SCRIPT), is_hello=False, args=[], flag_options=options)
