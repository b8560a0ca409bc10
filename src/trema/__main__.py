"""``python -m trema``."""

from trema.cli import main

main()
