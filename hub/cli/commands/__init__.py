"""A file per group of commands; each lists what it offers in `COMMANDS`."""
