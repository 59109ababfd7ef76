"""What several test modules build from: rows, tiny models, repositories, servers. Fixtures are in conftest files."""
