"""Watch the champion on the next window, or on the one named: ``driftline monitor``."""

from flows.cli.watching import monitor
from tasks.core.cli import run

if __name__ == "__main__":
    run(monitor)
