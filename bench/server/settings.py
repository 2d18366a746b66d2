"""Settings of servers that looptrap starts, and the reasons why Postgres does not start with them."""

import re
from collections.abc import Mapping

from bench.results.errors import UserError
from bench.results.printable import printable

OURS = {
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "port",
    "unix_socket_directories",
}
"""Settings that looptrap needs to find a server, its files and its log."""

LONGEST_REASON = 200


def refuse_ours(settings: Mapping[str, str]) -> None:
    """
    Refuse settings that looptrap makes itself.

    :raises UserError: one of them is given.
    """
    for name in sorted(OURS.intersection(settings)):
        raise UserError(
            f"--setting {name}={settings[name]}: looptrap sets {name} itself, to find the server. "
            "Leave it out; use --transport unix or tcp to choose how tests connect."
        )


def as_conf(settings: Mapping[str, str]) -> str:
    """Return settings as lines of a postgresql.conf, where the last line of a name counts."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "''") for name, value in settings.items()}
    return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())


def why_not(log: str, settings: Mapping[str, str], instead: str) -> str:
    """
    Return why Postgres did not start, and what to do, from its log line about a setting, or else from its last line.

    :param instead: what to do if no setting is the reason.
    :returns: one line.
    """
    logged = re.findall(r"\b(?:LOG|FATAL|PANIC):\s+(.*)", log)
    for name, value in settings.items():
        # The whole name: "not supported" contains "port".
        about = next((line for line in logged if re.search(rf"(?i)(?<![\w.]){re.escape(name)}(?![\w.])", line)), None)
        if about is not None:
            return f"--setting {name}={value}: {_short(about)}. Give it another value, or leave it out."
    fatal = re.findall(r"\b(?:FATAL|PANIC):\s+(.*)", log)
    # The fatal line says that no port could be opened; the line before it, that the port is taken.
    before = [line for line in logged if line.startswith("could not") and line not in fatal]
    lines = [line for line in log.splitlines() if line.strip()]
    reason = "; ".join(map(_short, [*before[-1:], (fatal or lines or ["it logged nothing"])[-1]]))
    asked = "".join(f"--setting {name}={value} " for name, value in settings.items())
    return f"{reason}. Leave out {asked}to see whether it starts without that." if asked else f"{reason}. {instead}"


def _short(line: str) -> str:
    # The path of a temporary file is of no use to the user.
    without_place = re.sub(r' in file "[^"]*" line \d+', "", line)
    return printable(without_place)[:LONGEST_REASON].rstrip(".")
