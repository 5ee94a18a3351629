"""Did the definition of a tool change since somebody looked at it?"""
