"""What the providers document: their events, as the keys of a table, with what each is about. Names only, no texts."""

# docs.github.com, "Webhook events and payloads" (github.com and Enterprise Cloud): event -> its actions.
GITHUB = {
    "branch_protection_configuration": "disabled enabled",
    "branch_protection_rule": "created deleted edited",
    "check_run": "completed created requested_action rerequested",
    "check_suite": "completed requested rerequested",
    "code_scanning_alert": "appeared_in_branch closed_by_user created fixed reopened reopened_by_user",
    "commit_comment": "created",
    "create": "",
    "custom_property": "created deleted promote_to_enterprise updated",
    "custom_property_values": "updated",
    "delete": "",
    "dependabot_alert": "auto_dismissed auto_reopened created dismissed fixed reintroduced reopened",
    "deploy_key": "created deleted",
    "deployment": "created",
    "deployment_protection_rule": "requested",
    "deployment_review": "approved rejected requested",
    "deployment_status": "created",
    "discussion": "answered category_changed closed created deleted edited labeled locked pinned reopened transferred"
    " unanswered unlabeled unlocked unpinned",
    "discussion_comment": "created deleted edited",
    "fork": "",
    "github_app_authorization": "revoked",
    "gollum": "",
    "installation": "created deleted new_permissions_accepted suspend unsuspend",
    "installation_repositories": "added removed",
    "installation_target": "renamed",
    "issue_comment": "created deleted edited",
    "issue_dependencies": "blocked_by_added blocked_by_removed blocking_added blocking_removed",
    "issues": "assigned closed deleted demilestoned edited labeled locked milestoned opened pinned reopened transferred"
    " typed unassigned unlabeled unlocked unpinned untyped",
    "label": "created deleted edited",
    "marketplace_purchase": "cancelled changed pending_change pending_change_cancelled purchased",
    "member": "added edited removed",
    "membership": "added removed",
    "merge_group": "checks_requested destroyed",
    "meta": "deleted",
    "milestone": "closed created deleted edited opened",
    "org_block": "blocked unblocked",
    "organization": "deleted member_added member_invited member_removed renamed",
    "package": "published updated",
    "page_build": "",
    "personal_access_token_request": "approved cancelled created denied",
    "ping": "",
    "project": "closed created deleted edited reopened",
    "project_card": "converted created deleted edited moved",
    "project_column": "created deleted edited moved",
    "projects_v2": "closed created deleted edited reopened",
    "projects_v2_item": "archived converted created deleted edited reordered restored",
    "projects_v2_status_update": "created deleted edited",
    "public": "",
    "pull_request": "assigned auto_merge_disabled auto_merge_enabled closed converted_to_draft demilestoned dequeued"
    " edited enqueued labeled locked milestoned opened ready_for_review reopened review_request_removed"
    " review_requested synchronize unassigned unlabeled unlocked",
    "pull_request_review": "dismissed edited submitted",
    "pull_request_review_comment": "created deleted edited",
    "pull_request_review_thread": "resolved unresolved",
    "push": "",
    "registry_package": "published updated",
    "release": "created deleted edited prereleased published released unpublished",
    "repository": "archived created deleted edited privatized publicized renamed transferred unarchived",
    "repository_advisory": "published reported",
    "repository_dispatch": "sample.collected",
    "repository_import": "",
    "repository_ruleset": "created deleted edited",
    "repository_vulnerability_alert": "create dismiss reopen resolve",
    "secret_scanning_alert": "assigned created publicly_leaked reopened resolved unassigned validated",
    "secret_scanning_alert_location": "created",
    "secret_scanning_scan": "completed",
    "security_advisory": "published updated withdrawn",
    "security_and_analysis": "",
    "sponsorship": "cancelled created edited pending_cancellation pending_tier_change tier_changed",
    "star": "created deleted",
    "status": "",
    "sub_issues": "parent_issue_added parent_issue_removed sub_issue_added sub_issue_removed",
    "team": "added_to_repository created deleted edited removed_from_repository",
    "team_add": "",
    "watch": "started",
    "workflow_dispatch": "",
    "workflow_job": "completed in_progress queued waiting",
    "workflow_run": "completed in_progress requested",
}
# docs.github.com, Enterprise Server, "Webhook events and payloads": what it has beside those.
GITHUB_SERVER = {
    "cache_sync": "",
    "content_reference": "created",
    "enterprise": "anonymous_access_disabled anonymous_access_enabled",
    "user": "created deleted",
}
# Which fact decides, where the action does: everything else is as grave as its object says, or info.
GITHUB_GRAVE = {
    "branch_protection_configuration.disabled": "warning",
    "secret_scanning_alert.created": "critical",
    "secret_scanning_alert.publicly_leaked": "critical",
    "secret_scanning_alert.reopened": "critical",
    "secret_scanning_alert_location.created": "critical",
}

# docs.sentry.io, "Integration Platform: Webhooks" and the page of each resource: resource -> action -> severity of an
# object that says nothing of its own.
SENTRY = {
    "installation": {"created": "info", "deleted": "info"},
    "issue": {
        "created": "error",
        "assigned": "error",
        "unresolved": "error",
        "resolved": "info",
        "archived": "info",
        "ignored": "info",
    },
    "error": {"created": "error"},
    "comment": {"created": "info", "updated": "info", "deleted": "info"},
    "event_alert": {"triggered": "error"},
    "metric_alert": {"critical": "critical", "warning": "warning", "resolved": "info", "open": "warning"},
    "seer": dict.fromkeys(
        [
            "root_cause_started",
            "root_cause_completed",
            "solution_started",
            "solution_completed",
            "coding_started",
            "coding_completed",
            "pr_created",
        ],
        "info",
    ),
    "preprod_artifact": {"size_analysis_completed": "info", "build_distribution_completed": "info"},
    "activity_alert": {"triggered": "info"},
}
SENTRY_DATA = {
    "installation": {"installation": {"uuid": "u"}},
    "issue": {"issue": {"id": "1"}},
    "error": {"error": {"event_id": "1"}},
    "comment": {"comment_id": "1", "issue_id": "2"},
    "event_alert": {"event": {"event_id": "1"}},
    "metric_alert": {"metric_alert": {"id": "1"}},
    "seer": {"run_id": 1, "group_id": 2},
    "preprod_artifact": {"buildId": "1"},
    "activity_alert": {"issue": {"id": "1"}, "activity": {"type": "note"}},
}

# linear.app/developers, "Webhooks", and the `…WebhookPayload` types of its SDK: type -> action -> severity.
_CHANGES = dict.fromkeys(("create", "update", "remove"), "info")
LINEAR = {
    **dict.fromkeys(
        [
            "Attachment",
            "Comment",
            "Customer",
            "CustomerNeed",
            "Cycle",
            "Document",
            "Initiative",
            "InitiativeLabel",
            "InitiativeUpdate",
            "Issue",
            "IssueLabel",
            "Project",
            "ProjectLabel",
            "ProjectUpdate",
            "Reaction",
            "Release",
            "ReleaseNote",
            "User",
        ],
        _CHANGES,
    ),
    "AuditEntry": {"create": "info"},
    "IssueSLA": {"set": "info", "highRisk": "warning", "breached": "error"},
    "AgentSessionEvent": {"created": "info", "prompted": "info"},
    "OAuthApp": {"revoked": "warning"},
    "OAuthAuthorization": {"revoked": "warning"},
    "PermissionChange": {"teamAccessChanged": "info"},
    "AppUserNotification": {
        **dict.fromkeys(
            [
                "issueMention",
                "issueEmojiReaction",
                "issueCommentMention",
                "issueCommentReaction",
                "issueAssignedToYou",
                "issueUnassignedFromYou",
                "issueNewComment",
                "issueStatusChanged",
            ],
            "info",
        ),
        "issuePriorityUrgent": "critical",
        "issueSlaBreached": "error",
        "issueSlaHighRisk": "warning",
    },
}
LINEAR_PLACE = {
    "IssueSLA": "issueData",
    "AgentSessionEvent": "agentSession",
    "AppUserNotification": "notification",
}
LINEAR_AT_THE_TOP = {"OAuthApp", "OAuthAuthorization", "PermissionChange"}

# docs.datadoghq.com, "Webhooks", `$ALERT_TRANSITION`: transition -> event type, and the severity where nothing else is said.
DATADOG = {
    "Triggered": ("alert.triggered", "warning"),
    "Re-Triggered": ("alert.re_triggered", "warning"),
    "No Data": ("alert.no_data", "warning"),
    "Re-No Data": ("alert.re_no_data", "warning"),
    "Warn": ("alert.warn", "warning"),
    "Re-Warn": ("alert.re_warn", "warning"),
    "Recovered": ("alert.recovered", "info"),
    "Renotify": ("alert.renotify", "warning"),
}
# The same page, `$ALERT_TYPE` and `$ALERT_PRIORITY`: severity while it lasts.
DATADOG_TYPES = {"error": "error", "warning": "warning", "success": "info", "info": None}
DATADOG_PRIORITIES = {"P1": "critical", "P2": "error", "P3": "warning", "P4": "info", "P5": "info"}
