"""The machine a run is on: git, locks, the home folder, liveness, the server."""
