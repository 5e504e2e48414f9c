"""The client's part of the doctor."""
