"""`python -m demo`: what `larder demo` calls."""

import os
import signal

# While the imports last there is nothing to undo, so that Ctrl-C may simply end the process.
signal.signal(signal.SIGINT, signal.SIG_DFL)

os.umask(0o077)  # what the systems hold is for their own account

from demo.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
