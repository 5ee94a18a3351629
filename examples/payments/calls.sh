# A morning of the support agents: what `policy simulate` replays. Each line is one call before it is made.
refund() { codespar policy check payments/refund --agent "$2" --cost "$3" --at "2026-11-02T$1:00Z" --reserve >/dev/null; }
refund 09:00 support-1 40.00
refund 09:05 support-2 120.00
refund 09:20 support-1 150.00
refund 10:10 support-1 180.00
refund 10:45 support-2 150.00
refund 11:30 support-2 90.00
echo "6 calls made"
