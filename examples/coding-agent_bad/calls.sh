# A morning under policy.yaml, which let all of it pass.
call() { codespar policy check "$3" --agent "$2" --args "$4" --at "2026-11-02T$1:00Z" --reserve >/dev/null; }
call 09:00 claude Bash '{"command": "make test"}'
call 09:07 claude Bash '{"command": "rm -rf /home/ann/work"}'
call 09:12 gemini run_shell_command '{"command": "git push origin main --force"}'
call 09:30 claude mcp__github__merge_pull_request '{"number": 7}'
echo "4 calls made"
