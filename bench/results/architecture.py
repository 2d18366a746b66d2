"""Recognises an emulated server, and words the warning for the start of a run and for its report."""


def emulation(server: str, machine: str) -> str:
    """
    Return a warning if a server was built for another architecture than that of its machine.

    :param server: its architecture, such as `x86_64`; empty if unknown.
    :returns: one sentence or two; empty if the architectures are the same, even under different names.
    """
    if not server or _common(server) == _common(machine):
        return ""
    return (
        f"The server was built for {server} and runs emulated on {machine}. Emulation slows some operations more than "
        "others, which can reverse rankings. Use an image for the machine's own architecture."
    )


def _common(architecture: str) -> str:
    """Return the same name for an architecture that has two."""
    name = architecture.lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)
