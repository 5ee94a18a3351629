"""What no policy can allow: calls that change what governs them.

self_protection   a call in, a refusal or nothing out
argument_*        the paths that a call's arguments name, however they are put together
patch_paths       those that a patch names
protected_places  which paths are protected, links and patterns seen through
shell_*           the simple commands of a shell's text, and what each does to paths
users_voice       commands of codespar that speak with the user's voice
"""
