"""The operating system's process: the state lock, listening sockets, priority."""
