"""HTTP doors of `codespar serve`: what asks here is asked of the same gate as everywhere, without a process per call."""
