"""``gnomon dashboard``: serve the pages that show verdicts, models, agents and operation."""

import argparse

from gnomon.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8501, help="port (default: %(default)s; 0: a free one)"
    )
    parser.add_argument("--brokers", metavar="B", help="host:port,… (GNOMON_BROKERS)")
    parser.add_argument("--prefix", metavar="P", help="of topic names (GNOMON_TOPIC_PREFIX)")
    parser.epilog = (
        "Another address than this machine's needs GNOMON_DASHBOARD_TOKEN, or a proxy that names the\n"
        "user in GNOMON_DASHBOARD_USER_HEADER. Pages only show, unless GNOMON_DASHBOARD_ACTIONS=true\n"
        "lets readers promote, roll back and redrive.\n"
        "\n"
        "example: gnomon dashboard --port 8501"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: The address is open to others and not guarded, or the port is taken.
    """
    from dataclasses import replace  # noqa: PLC0415

    from gnomon.dashboard.access import require_guard  # noqa: PLC0415

    require_guard(
        options.host,
        token=settings.dashboard_token,
        user_header=settings.dashboard_user_header,
    )
    from gnomon.dashboard.serving import serve  # noqa: PLC0415  imports Streamlit

    prefix = settings.topic_prefix if options.prefix is None else options.prefix
    reached = replace(settings.reaching(settings.kafka.at(options.brokers)), topic_prefix=prefix)
    serve(reached, host=options.host, port=options.port)
    return 0
