"""Settings of a KMS host: the table of settings, their values, which source wins, and the files of the state folder."""
