"""Run the hub from a checkout: `python hub.py --help`.  The installed command is `hub`."""

from hub.cli import main

if __name__ == "__main__":
    main()
