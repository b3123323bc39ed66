"""`python -m clustersim`: the command line."""

from clustersim.cli import main

if __name__ == "__main__":
    main()
