"""Where rows of calls can be kept: what every store offers, and the one on PostgreSQL. The file is `call_store`."""
