"""``python -m callflow``."""

from callflow.cli import main

if __name__ == "__main__":
    main()
