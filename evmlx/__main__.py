"""`python -m evmlx`."""

from evmlx.cli import main

main()
