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


_ON_BRANCH = "{s.name} {s.conclusion|s.status} on {s.head_branch}"

# In the order in which shapes are tried: what carries another event's object comes before it.
TOPICS: dict[str, Topic] = {
    "ping": Topic(shape="zen hook_id", titles=("ping: {zen}",)),
    "meta": Topic("hook", "hook hook_id"),
    "deployment_status": Topic(
        "deployment_status", "deployment_status", ("deployment to {s.environment}: {s.state}", "deployment: {s.state}")
    ),
    "workflow_job": Topic("workflow_job", "workflow_job", (_ON_BRANCH, "{s.name} {s.conclusion|s.status}")),
    "deployment_protection_rule": Topic("deployment", "deployment_callback_url"),
    "deployment_review": Topic(
        shape="workflow_run since", titles=("deployment review {action}: {workflow_run.display_title|environment}",)
    ),
    "deployment": Topic("deployment", "deployment", ("deployment of {s.ref} to {s.environment}",)),
    "workflow_run": Topic(
        "workflow_run",
        "workflow_run",
        (_ON_BRANCH + ": {s.display_title}", _ON_BRANCH, "{s.name} {s.conclusion|s.status}"),
    ),
    "check_run": Topic(
        "check_run",
        "check_run",
        ("{s.name} {s.conclusion|s.status}: {s.output.title}", "{s.name} {s.conclusion|s.status}"),
    ),
    "check_suite": Topic(
        "check_suite",
        "check_suite",
        ("{s.app.name} checks {s.conclusion|s.status} on {s.head_branch}", "checks {s.conclusion|s.status}"),
    ),
    "secret_scanning_alert_location": Topic("alert", "alert location", ("secret found again: {s.secret_type}",)),
    "code_scanning_alert": Topic("alert", "alert.rule", ("{s.rule.description|s.rule.id}",)),
    "dependabot_alert": Topic(
        "alert", "alert.security_advisory", ("{s.dependency.package.name}: {s.security_advisory.summary}",)
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
    "commit_comment": Topic("comment", "comment.commit_id", ("comment on {s.commit_id}",)),
    "pull_request": Topic("pull_request", "pull_request"),
    "discussion": Topic("discussion", "discussion"),
    "sub_issues": Topic("sub_issue", "sub_issue"),
    "issue_dependencies": Topic("blocked_issue", "blocked_issue"),
    "issues": Topic("issue", "issue"),
    "release": Topic("release", "release"),
    "push": Topic(shape="ref before after"),
    "create": Topic(shape="ref ref_type master_branch", titles=("{ref_type} created: {ref}",)),
    "delete": Topic(shape="ref ref_type", titles=("{ref_type} deleted: {ref}",)),
    "fork": Topic("forkee", "forkee"),
    "gollum": Topic(shape="pages", titles=("wiki: {pages.0.title}",)),
    "page_build": Topic("build", "build", ("pages build {s.status}",)),
    "status": Topic(shape="sha context state", titles=("{context}: {state}",)),
    "merge_group": Topic("merge_group", "merge_group", ("merge group {action}: {s.head_ref}",)),
    "workflow_dispatch": Topic(shape="workflow ref inputs", titles=("workflow dispatched: {workflow} on {ref}",)),
    "repository_dispatch": Topic(shape="client_payload branch", titles=("repository dispatch: {action}",)),
    "registry_package": Topic("registry_package", "registry_package"),
    "package": Topic("package", "package"),
    "milestone": Topic("milestone", "milestone"),
    "label": Topic("label", "label"),
    "marketplace_purchase": Topic("marketplace_purchase", "marketplace_purchase"),
    "sponsorship": Topic("sponsorship", "sponsorship"),
    "membership": Topic("member", "member team scope"),
    "member": Topic("member", "member"),
    "team": Topic("team", "team action"),
    "team_add": Topic("team", "team"),
    "org_block": Topic("blocked_user", "blocked_user"),
    "organization": Topic("organization", "membership organization"),
    "installation_repositories": Topic("installation", "repositories_added"),
    "installation_target": Topic("account", "account target_type"),
    "personal_access_token_request": Topic("personal_access_token_request", "personal_access_token_request"),
    "projects_v2_item": Topic("projects_v2_item", "projects_v2_item"),
    "projects_v2_status_update": Topic("projects_v2_status_update", "projects_v2_status_update"),
    "projects_v2": Topic("projects_v2", "projects_v2"),
    "project_card": Topic("project_card", "project_card"),
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
    "github_app_authorization": Topic("sender"),
    "public": Topic("repository"),
    "repository": Topic("repository"),
    "watch": Topic("repository"),
}

_OF_A_REPOSITORY = {
    None: "public",
    "started": "watch",
    "enabled": "branch_protection_configuration",
    "disabled": "branch_protection_configuration",
}
_CIRCUMSTANCES = frozenset(
    {"action", "sender", "organization", "installation", "enterprise", "invitation", "user", "changes"}
)


def inferred(payload: Mapping[str, Any]) -> str | None:
    """The event a payload without its header is, by its shape. A few carry nothing but their circumstances."""
    for event, topic in TOPICS.items():
        if has_shape(payload, topic.shape):
            return event
    keys, action = payload.keys() - _CIRCUMSTANCES, payload.get("action")
    if keys == {"repository"}:
        return _OF_A_REPOSITORY.get(action, "repository") if isinstance(action, str | None) else None
    if not keys and isinstance(action, str):
        return "organization" if "organization" in payload else "github_app_authorization"
    return None


def has_shape(payload: Mapping[str, Any], shape: str) -> bool:
    return shape != "" and all(_present(payload, path) for path in shape.split())


def _present(payload: Mapping[str, Any], path: str) -> bool:
    parent, _, key = path.rpartition(".")
    within = at(payload, parent) if parent else payload
    return isinstance(within, Mapping) and key in within
