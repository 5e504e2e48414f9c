"""Words for people: the commands.

Data goes to stdout, words to stderr; exit 0 worked, 1 failed, 2 misused, 3 refused by the host.
"""
