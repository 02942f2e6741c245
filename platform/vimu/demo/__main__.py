"""`python -m vimu.demo FOLDER`: write the synthetic demo data."""

import sys
from pathlib import Path

from vimu.demo import write_demo_data
from vimu.runtime.errors import EXIT_DONE, EXIT_USER, UserError


def main(arguments: list[str]) -> int:
    """Write the demo data into the one folder named; returns the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m vimu.demo FOLDER", file=sys.stderr)
        return EXIT_USER
    folder = Path(arguments[0])
    try:
        write_demo_data(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USER
    print(f"synthetic demo data (body, amass, dip) in {folder}")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
