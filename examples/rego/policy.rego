package codespar

# `input.tools` are all the names of the tool: a rule that limits must ask for any of them, never for `input.tool` alone.
deny contains {"id": "no-force-push", "reason": "force pushes rewrite shared history"} if {
	some tool in input.tools
	startswith(tool, "git/")
	forced
}

# Undefined says nothing in Rego. So this asks what is certainly no force, and takes everything else for one.
default forced := true

forced := false if not "force" in object.keys(input.args)

forced := false if input.args.force == false

approve contains {
	"id": "production-needs-a-human",
	"quorum": 1,
	"approvers": ["release-lead", "sre-oncall"],
	"expires": "10m",
} if {
	deploys
	input.args.environment == "production"
}

allow contains "deployers" if {
	deploys
	input.agent in data.deployers
}

allow contains "what-agents-may-do" if {
	some tool in input.tools
	some prefix in ["git/", "search/", "fs/read"]
	startswith(tool, prefix)
}

deploys if {
	some tool in input.tools
	startswith(tool, "deploy/")
}
