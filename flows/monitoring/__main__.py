"""Watch the champion on the next window, or on the one named: ``driftline monitor``."""

import sys

from flows.cli.earlier_options import refuse_earlier
from flows.cli.watching import monitor
from tasks.core.cli import run

if __name__ == "__main__":
    refuse_earlier("monitor", sys.argv[1:])
    run(monitor)
