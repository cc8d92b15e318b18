"""The web page of an installation: pages and an API over what `db` reads, and little more."""
