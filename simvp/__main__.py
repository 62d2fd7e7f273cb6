"""`python -m simvp`: how the launcher starts each process of a group."""

from simvp.cli import main

if __name__ == "__main__":
    main()
