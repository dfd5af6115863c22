"""`python -m moagraph`: the same as `moa`."""

from moagraph.cli import main

if __name__ == "__main__":
    main()
