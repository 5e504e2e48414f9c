"""`quorate-slmgr`: slmgr's own switches."""
