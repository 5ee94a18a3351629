"""Is this call one that its tool can take, and is the agent going in circles?"""
