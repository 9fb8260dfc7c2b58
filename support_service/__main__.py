"""`support-service` and `python -m support_service`: loads the command line, and runs it."""

import gc
from importlib import import_module


def main() -> None:
    """Run the command line of this process.

    What is loaded stays: to look for garbage in it takes a sixth of a start, and later looks pass it over, too.
    """
    gc.disable()
    run = import_module("support_service.cli").main
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
