"""What a competent developer would write instead, with the usual libraries."""
