"""`python -m stackc`."""

from stackc.cli import main

main()
