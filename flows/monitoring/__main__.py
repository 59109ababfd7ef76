"""The command: ``python -m flows.monitoring``."""

from flows.monitoring.flow import main
from tasks.core.cli import run

if __name__ == "__main__":
    run(main)
