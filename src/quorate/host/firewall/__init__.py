"""The named firewall exception "KMS Traffic" (S31 to S33): as text for every firewall, and in the real ones."""
