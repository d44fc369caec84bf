"""`python -m hornbook`."""

from hornbook.cli.main import main

if __name__ == "__main__":
    main()
