"""`python -m lstmdump`."""

from lstmdump.cli import main

if __name__ == "__main__":
    main()
