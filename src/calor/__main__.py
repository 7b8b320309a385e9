"""The command line, for ``python -m calor``."""

from calor.cli import main

if __name__ == "__main__":
    main()
