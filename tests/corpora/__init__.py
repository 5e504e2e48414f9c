"""Collections of other projects' hard inputs, and what this one makes of them. Sources and licences: README.md."""
