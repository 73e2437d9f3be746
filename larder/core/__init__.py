"""What every package needs: settings, errors, the console, the limits of the machine."""
