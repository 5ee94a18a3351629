"""One small HTTP server, whatever it serves: limits, deadlines, a table of addresses. Needs the extra `server`."""
