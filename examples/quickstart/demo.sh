#!/bin/sh
# Plays session.txt: every line after a `$` is typed into this very shell, with a scratch home and a scratch vault key.
set -u
cd "$(dirname "$0")" || exit 1
[ -x ../../.venv/bin/codespar ] && PATH="$PWD/../../.venv/bin:$PATH"
HOME=$(mktemp -d) && export HOME
trap 'rm -rf "$HOME"' EXIT
trap 'exit 130' INT
unset CODESPAR_CONFIG CODESPAR_STATE_DIR CODESPAR_TENANT XDG_STATE_HOME XDG_CONFIG_HOME VAULT_MASTER_KEY
bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); fi

token='' # an approval's is random: the one that is printed stands for the one in session.txt
play() { # one command, and the exit code that session.txt promises
    command=$1
    [ -z "$token" ] || command=$(printf '%s\n' "$1" | sed "s/ap-[0-9A-Z]\{8\}/$token/g")
    printf '%s$ %s%s\n' "$bold" "$command" "$plain"
    eval "$command" </dev/null >"$HOME/.printed" 2>&1
    code=$?
    cat "$HOME/.printed"
    found=$(sed -n 's/.*\(ap-[0-9A-Z]\{8\}\).*/\1/p' "$HOME/.printed" | head -n 1)
    [ -z "$found" ] || token=$found
    [ "$code" -eq 0 ] || printf '%s[exit code %s]%s\n' "$dim" "$code" "$plain"
    if [ "$code" -ne "$2" ]; then
        printf 'demo: expected exit code %s\n' "$2" >&2
        exit 1
    fi
    echo
}

command='' expected=0
while IFS= read -r line <&3; do
    case $line in
    '$ '*)
        [ -z "$command" ] || play "$command" "$expected"
        command=${line#??} expected=0
        while [ "${command%\\}" != "$command" ] && IFS= read -r more <&3; do
            command="$command
$more"
        done
        ;;
    '? '*) expected=${line#??} ;;
    '# '*)
        [ -z "$command" ] || play "$command" "$expected"
        command=''
        printf '%s%s%s\n' "$dim" "$line" "$plain"
        ;;
    esac
done 3<session.txt
[ -z "$command" ] || play "$command" "$expected"
