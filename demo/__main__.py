"""`python -m demo`: what `larder demo` calls."""

from demo.cli import main

if __name__ == "__main__":
    main()
