"""``python -m ota.cli`` is ``ota``."""

from ota.cli import main

if __name__ == "__main__":
    main()
