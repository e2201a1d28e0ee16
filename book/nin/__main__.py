"""The commands: python -m nin record|bench|sprint|live|garments|sample."""

import importlib
import sys

COMMANDS = {"record": "nin.runs.record", "bench": "nin.bench.__main__",
            "sprint": "nin.bench.sprint", "live": "nin.pages.live",
            "garments": "nin.pages.garments",
            "sample": "nin.pages.sample"}


def main():
    """Hand the rest of the command line on."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        sys.exit(f"python -m nin {'|'.join(COMMANDS)}: name one of these commands; "
                 "each tells more with --help")
    importlib.import_module(COMMANDS[name]).main(sys.argv[2:])


if __name__ == "__main__":
    main()
