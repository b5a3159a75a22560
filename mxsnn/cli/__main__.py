"""`python -m mxsnn.cli`, where the console script is not on the path."""

from mxsnn.cli import main

if __name__ == "__main__":  # and not in the processes that are spawned
    raise SystemExit(main())
