"""`python -m bench COMMAND`: the command line, which is in `bench/commands/`."""

from bench.commands.cli import main

if __name__ == "__main__":
    main()
