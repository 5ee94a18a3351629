"""docs/observability-postgresql.md, typed from top to bottom."""

from test_policy_pages import typed
from test_transcripts import environment  # noqa: F401  a fixture


def test_the_page_about_calls_on_a_server_goes_as_written(tmp_path, environment, postgres):  # noqa: F811
    environment["CODESPAR_METRICS_DB"] = postgres.new_database()
    assert typed("observability-postgresql.md", tmp_path, environment, []) is None
