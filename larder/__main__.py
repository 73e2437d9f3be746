"""`python -m larder` is `larder`."""

from larder.cli.main import main

main()
