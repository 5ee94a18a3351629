"""GitHub's catalogue: every webhook event there is, what it is about, and how to tell it without its header.

From docs.github.com, "Webhook events and payloads". An event that is not listed here is understood by its header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from codespar_cli.plugins.integrations.fields import at


class Topic(NamedTuple):
    """One event of the catalogue.

    `subject` is the key of the object it is about; a payload without it is not this event. `shape` are keys that tell
    the event without its header. `titles` are templates over the payload; the first whose `{paths}` all lead somewhere
    is taken, before the subject's own name.
    """

    subject: str = ""
    shape: str = ""
    titles: tuple[str, ...] = ()


_WENT = "{s.conclusion|s.status}"
_ON_BRANCH = f"{{s.name}} {_WENT} on {{s.head_branch}}"

# In the order in which shapes are tried: what carries another event's object comes before it.
TOPICS: dict[str, Topic] = {
    "ping": Topic(shape="zen hook_id", titles=("ping: {zen}",)),
    "meta": Topic("hook", "hook hook_id", ("webhook {action}: {repository.full_name|organization.login}",)),
    "deployment_status": Topic(
        "deployment_status", "deployment_status", ("deployment to {s.environment}: {s.state}", "deployment: {s.state}")
    ),
    "workflow_job": Topic(
        "workflow_job", "workflow_job", ("{s.workflow_name} / " + _ON_BRANCH, _ON_BRANCH, f"{{s.name}} {_WENT}")
    ),
    "deployment_protection_rule": Topic(
        "deployment", "deployment_callback_url", ("deployment protection rule {action}: {environment}",)
    ),
    "deployment_review": Topic(
        shape="workflow_run since", titles=("deployment review {action}: {workflow_run.display_title|environment}",)
    ),
    "deployment": Topic("deployment", "deployment", ("deployment of {s.ref} to {s.environment}",)),
    "workflow_run": Topic(
        "workflow_run",
        "workflow_run",
        (
            _ON_BRANCH + ": {s.display_title}",
            _ON_BRANCH,
            f"{{s.display_title}} {_WENT} on {{s.head_branch}}",
            f"{{s.name}} {_WENT}",
        ),
    ),
    "check_run": Topic(
        "check_run",
        "check_run",
        (
            f"{{s.name}} {_WENT} on {{s.check_suite.head_branch}}: {{s.output.title}}",
            f"{{s.name}} {_WENT}: {{s.output.title}}",
            f"{{s.name}} {_WENT} on {{s.check_suite.head_branch}}",
            f"{{s.name}} {_WENT}",
        ),
    ),
    "check_suite": Topic(
        "check_suite",
        "check_suite",
        (
            f"{{s.app.name}} checks {_WENT} on {{s.head_branch}}",
            f"{{s.app.name}} checks {_WENT} at {{s.head_sha}}",
            f"checks {_WENT} on {{s.head_branch|s.head_sha}}",
            f"checks {_WENT}",
        ),
    ),
    "secret_scanning_alert_location": Topic("alert", "alert location", ("secret found again: {s.secret_type}",)),
    "code_scanning_alert": Topic("alert", "alert.rule", ("{s.rule.description|s.rule.id}",)),
    "dependabot_alert": Topic(
        "alert",
        "alert.security_advisory",
        (
            "{s.dependency.package.name|s.security_vulnerability.package.name}: {s.security_advisory.summary}",
            "{s.security_advisory.summary}",
            "dependabot alert {action}: {s.dependency.package.name} {s.security_advisory.ghsa_id|s.number}",
            "dependabot alert {action}: {s.security_advisory.ghsa_id}",
        ),
    ),
    "secret_scanning_alert": Topic(
        "alert", "alert.secret_type", ("secret {action}: {s.secret_type_display_name|s.secret_type}",)
    ),
    "repository_vulnerability_alert": Topic(
        "alert", "alert.affected_range", ("{s.affected_package_name} {s.affected_range}: {s.external_identifier}",)
    ),
    "security_advisory": Topic("security_advisory", "security_advisory"),
    "repository_advisory": Topic("repository_advisory", "repository_advisory"),
    "pull_request_review": Topic(
        "review", "review pull_request", ("review of #{pull_request.number} {s.state}: {pull_request.title}",)
    ),
    "pull_request_review_thread": Topic("thread", "thread pull_request", ("thread {action}: {pull_request.title}",)),
    "pull_request_review_comment": Topic(
        "comment", "comment pull_request", ("comment {action} on #{pull_request.number}: {pull_request.title}",)
    ),
    "issue_comment": Topic("comment", "comment issue", ("comment {action} on #{issue.number}: {issue.title}",)),
    "discussion_comment": Topic(
        "comment", "comment discussion", ("comment {action} on #{discussion.number}: {discussion.title}",)
    ),
    "commit_comment": Topic(
        "comment", "comment.commit_id", ("comment on {s.commit_id}: {s.body}", "comment on {s.commit_id}")
    ),
    "pull_request": Topic("pull_request", "pull_request"),
    "discussion": Topic("discussion", "discussion"),
    "sub_issues": Topic("sub_issue", "sub_issue"),
    "issue_dependencies": Topic("blocked_issue", "blocked_issue"),
    "issues": Topic("issue", "issue"),
    "release": Topic("release", "release"),
    "content_reference": Topic("content_reference", "content_reference", ("link posted: {s.reference}",)),
    "cache_sync": Topic(shape="cache_location ref", titles=("cache synchronised: {cache_location} {ref}",)),
    "push": Topic(shape="ref before after"),
    "create": Topic(shape="ref ref_type master_branch", titles=("{ref_type} created: {ref}",)),
    "delete": Topic(shape="ref ref_type", titles=("{ref_type} deleted: {ref}",)),
    "fork": Topic("forkee", "forkee"),
    "gollum": Topic(shape="pages", titles=("wiki page {pages.0.action}: {pages.0.title}", "wiki: {pages.0.title}")),
    "page_build": Topic("build", "build", ("pages build {s.status}",)),
    "status": Topic(
        shape="sha context state", titles=("{context}: {state} on {branches.0.name}", "{context}: {state}")
    ),
    "merge_group": Topic("merge_group", "merge_group", ("merge group {action}: {s.head_ref}",)),
    "workflow_dispatch": Topic(shape="workflow ref inputs", titles=("workflow dispatched: {workflow} on {ref}",)),
    "repository_dispatch": Topic(shape="client_payload branch", titles=("repository dispatch: {action}",)),
    "registry_package": Topic(
        "registry_package", "registry_package", ("package {action}: {s.name} {s.package_version.version}",)
    ),
    "package": Topic("package", "package", ("package {action}: {s.name} {s.package_version.version}",)),
    "milestone": Topic("milestone", "milestone"),
    "label": Topic("label", "label"),
    "marketplace_purchase": Topic("marketplace_purchase", "marketplace_purchase"),
    "sponsorship": Topic("sponsorship", "sponsorship"),
    "membership": Topic("member", "member team scope", ("membership {action}: {s.login} in team {team.name}",)),
    "member": Topic("member", "member", ("member {action}: {s.login} in {repository.full_name}",)),
    "team": Topic("team", "team action"),
    "team_add": Topic("team", "team"),
    "org_block": Topic("blocked_user", "blocked_user"),
    "organization": Topic(
        "organization",
        "membership organization",
        ("organization {action}: {membership.user.login|invitation.login|user.login} in {s.login}",),
    ),
    "installation_repositories": Topic("installation", "repositories_added"),
    "installation_target": Topic("account", "account target_type"),
    "personal_access_token_request": Topic("personal_access_token_request", "personal_access_token_request"),
    "projects_v2_item": Topic(
        "projects_v2_item",
        "projects_v2_item",
        ("projects v2 item {action}: {s.content_type} in {organization.login}",),
    ),
    "projects_v2_status_update": Topic("projects_v2_status_update", "projects_v2_status_update"),
    "projects_v2": Topic("projects_v2", "projects_v2"),
    "project_card": Topic("project_card", "project_card", ("project card {action}: {s.note}",)),
    "project_column": Topic("project_column", "project_column"),
    "project": Topic("project", "project"),
    "custom_property_values": Topic(shape="new_property_values"),
    "custom_property": Topic("definition", "definition"),
    "repository_ruleset": Topic("repository_ruleset", "repository_ruleset"),
    "branch_protection_rule": Topic("rule", "rule"),
    "deploy_key": Topic("key", "key"),
    "secret_scanning_scan": Topic(shape="secret_types source"),
    "security_and_analysis": Topic(shape="changes.from.security_and_analysis"),
    "repository_import": Topic(shape="status repository", titles=("repository import: {status}",)),
    "star": Topic(shape="starred_at"),
    "installation": Topic("installation", "installation.account action"),
    # told by their header alone
    "branch_protection_configuration": Topic("repository"),
    "enterprise": Topic("sender"),
    "github_app_authorization": Topic("sender"),
    "public": Topic("repository"),
    "repository": Topic("repository"),
    "user": Topic("user"),
    "watch": Topic("repository"),
}

_OF_A_REPOSITORY = {
    None: "public",
    "started": "watch",
    "enabled": "branch_protection_configuration",
    "disabled": "branch_protection_configuration",
}
# `enterprise` and `user` are Enterprise Server's.
_OF_NOTHING_ELSE = {
    "revoked": "github_app_authorization",
    "anonymous_access_enabled": "enterprise",
    "anonymous_access_disabled": "enterprise",
}
_CIRCUMSTANCES = frozenset(
    {"action", "sender", "organization", "installation", "enterprise", "invitation", "user", "changes"}
)
_MOST_CIRCUMSTANCES = 32


def inferred(payload: Mapping[str, Any]) -> str | None:
    """The event a payload without its header is, by its shape. A few carry nothing but their circumstances."""
    for event, topic in TOPICS.items():
        if has_shape(payload, topic.shape):
            return event
    if len(payload) > _MOST_CIRCUMSTANCES:
        return None
    keys, action = payload.keys() - _CIRCUMSTANCES, payload.get("action")
    if keys == {"repository"}:
        return _OF_A_REPOSITORY.get(action, "repository") if isinstance(action, str | None) else None
    if keys or not isinstance(action, str):
        return None
    if "organization" in payload:
        return "organization"
    return "user" if "user" in payload else _OF_NOTHING_ELSE.get(action)


def has_shape(payload: Mapping[str, Any], shape: str) -> bool:
    return shape != "" and all(_present(payload, path) for path in shape.split())


def _present(payload: Mapping[str, Any], path: str) -> bool:
    parent, _, key = path.rpartition(".")
    within = at(payload, parent) if parent else payload
    return isinstance(within, Mapping) and key in within
