"""A release on its way out: authorization, contents, bundle, and upload."""
