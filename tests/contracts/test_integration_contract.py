import json
from pathlib import Path

from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.testing import IntegrationContract

FIXTURES = Path(__file__).parents[1] / "plugins" / "integrations" / "fixtures"


def deliveries(provider, header, *names):
    return [
        (json.loads((FIXTURES / provider / f"{name}.json").read_text()), {header: name.partition("__")[0]})
        for name in names
    ]


class TestGitHub(IntegrationContract):
    def make(self, tmp_path):
        return GitHub.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = (
            "workflow_run__failure",
            "push__two_commits",
            "dependabot_alert__created_high",
            "issues__opened",
            "status__failure",
        )
        return deliveries("github", "X-GitHub-Event", *names)


class TestSentry(IntegrationContract):
    def make(self, tmp_path):
        return Sentry.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = (
            "issue__created",
            "error__created",
            "metric_alert__critical",
            "seer__pr_created",
            "preprod_artifact__size_completed",
        )
        return deliveries("sentry", "Sentry-Hook-Resource", *names)
