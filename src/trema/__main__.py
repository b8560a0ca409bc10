"""``python -m trema`` is the command line."""

from trema.cli import main

main()
