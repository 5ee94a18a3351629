# An hour of two agents, as their hosts would ask. In observe mode every call is allowed, and recorded with what enforce
# mode would have said.
call() { codespar policy check "$3" --agent "$2" --args "$4" --at "2026-11-02T$1:00Z" --reserve >/dev/null; }
call 09:00 claude Bash '{"command": "git status"}'
call 09:02 claude Read '{"file_path": "src/app.py"}'
call 09:05 claude Edit '{"file_path": "src/app.py"}'
call 09:07 claude Bash '{"command": "rm -rf build"}'
call 09:10 claude Bash '{"command": "make test"}'
call 09:12 gemini run_shell_command '{"command": "git push origin feature/login --force"}'
call 09:15 claude mcp__github__create_pull_request '{"title": "Settle once"}'
call 09:20 claude mcp__github__create_pull_request '{"title": "Settle once, again"}'
call 09:25 claude mcp__github__create_pull_request '{"title": "Settle once, at last"}'
call 09:30 claude mcp__github__merge_pull_request '{"number": 7}'
call 09:31 gemini web_fetch '{"url": "https://example.com"}'
echo "11 calls made"
