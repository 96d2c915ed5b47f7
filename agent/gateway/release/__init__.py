"""A release on its way out: authorization, bundle, upload, receipt, and removal."""
