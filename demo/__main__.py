"""`python -m demo`: what `larder demo` calls."""

import signal

# While the imports last there is nothing to undo, so that Ctrl-C may simply end the process.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from demo.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
