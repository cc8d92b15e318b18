"""The `echoworker` command: `application` puts it together, and a module here is a command or a group of them."""
