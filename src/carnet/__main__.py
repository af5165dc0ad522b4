"""``python -m carnet``: the command line."""

from carnet.cli.main import main

main()
