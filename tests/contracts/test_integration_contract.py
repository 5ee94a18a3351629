import json
from pathlib import Path

from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
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


class TestDatadog(IntegrationContract):
    def make(self, tmp_path):
        return Datadog.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = (
            "alert.triggered__default",
            "alert.triggered__p4_list",
            "alert.triggered__nested",
            "incident.active__sev2",
        )
        return [(payload, {}) for payload, _ in deliveries("datadog", "", *names)]


class TestPagerDuty(IntegrationContract):
    def make(self, tmp_path):
        return PagerDuty.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = (
            "incident.triggered__p1",
            "incident.role.assigned__commander",
            "incident.custom_field_values.updated__nameless",
            "v2__trigger",
            "v1__acknowledge",
        )
        return [(payload, {"X-Webhook-Id": "5c6f"}) for payload, _ in deliveries("pagerduty", "", *names)]
