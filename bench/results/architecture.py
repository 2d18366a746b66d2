"""Whether a server is emulated: one sentence for the start of a run and for its report."""


def emulation(server: str, machine: str) -> str:
    """
    Say that a server was built for another architecture than that of the machine it runs on.

    :param server: such as `x86_64`; empty where it is not known.
    :returns: an empty string where the two are one, which may go by two names.
    """
    if not server or _common(server) == _common(machine):
        return ""
    return (
        f"The server was built for {server} and runs on {machine}: emulated, it is slow in ways that turn rankings "
        "round. Take an image of the machine's own architecture."
    )


def _common(architecture: str) -> str:
    """Return the one name of an architecture that goes by two."""
    name = architecture.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)
