"""What `--setting` says of a server of ours, and what Postgres says of it where it does not start."""

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
"""Settings by which the harness finds a server, its files, and what it says."""

LONGEST_REASON = 200


def refuse_ours(settings: Mapping[str, str]) -> None:
    """
    Refuse settings that the harness must know.

    :raises UserError: one of them is among these.
    """
    for name in sorted(OURS.intersection(settings)):
        raise UserError(
            f"--setting {name}={settings[name]}: {name} is the harness's own, which finds the server by it. "
            "Leave it out; --transport unix or tcp says how tests reach the server."
        )


def as_conf(settings: Mapping[str, str]) -> str:
    """Return settings as lines of a postgresql.conf, in which the last line of a name counts."""
    quoted = {name: value.replace("\\", "\\\\").replace("'", "''") for name, value in settings.items()}
    return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())


def why_not(log: str, settings: Mapping[str, str], instead: str) -> str:
    """
    Say why Postgres did not start, and what to do: from the line that it logged about a setting, else from the last.

    :param instead: what to do where it is not for a setting.
    :returns: one line; it names what was typed.
    """
    told = re.findall(r"\b(?:LOG|FATAL|PANIC):\s+(.*)", log)
    for name, value in settings.items():
        # The whole name: "port" stands in "not supported", too.
        about = next((line for line in told if re.search(rf"(?i)(?<![\w.]){re.escape(name)}(?![\w.])", line)), None)
        if about is not None:
            return f"--setting {name}={value}: {_short(about)}. Give it another value, or leave it out."
    fatal = re.findall(r"\b(?:FATAL|PANIC):\s+(.*)", log)
    # That no port could be opened is fatal; that it is taken stands in the line before.
    before = [line for line in told if line.startswith("could not") and line not in fatal]
    said = [line for line in log.splitlines() if line.strip()]
    reason = "; ".join(map(_short, [*before[-1:], (fatal or said or ["it logged nothing"])[-1]]))
    asked = "".join(f"--setting {name}={value} " for name, value in settings.items())
    return f"{reason}. Leave out {asked}to see whether it starts without." if asked else f"{reason}. {instead}"


def _short(line: str) -> str:
    # Where the harness keeps the file is of no use to anybody.
    without_place = re.sub(r' in file "[^"]*" line \d+', "", line)
    return printable(without_place)[:LONGEST_REASON].rstrip(".")
