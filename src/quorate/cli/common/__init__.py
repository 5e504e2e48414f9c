"""What several command groups share: output, configuration reports, completion, roles, variables."""
