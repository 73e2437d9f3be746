"""`python -m larder` is `larder`."""

from larder.cli import main

main()
