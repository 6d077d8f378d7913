"""`python -m wingbeat` is the command `wingbeat`."""

from .cli import main

main()
