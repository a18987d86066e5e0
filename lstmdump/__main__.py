"""`python -m lstmdump`."""

import sys

if __name__ == "__main__":
    try:
        from lstmdump.cli import main

        main()
    except KeyboardInterrupt:  # while the line above is run; `main` handles it from then on
        sys.exit(130)
