"""What is unusual: in a plain series, and in the calls of tools and agents."""
