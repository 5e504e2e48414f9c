"""Administration: the audited operations behind commands and API; backup, restore, configuration."""
