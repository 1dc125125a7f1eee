"""A run served to other programs, by the protocol of UM-Bridge over HTTP."""
