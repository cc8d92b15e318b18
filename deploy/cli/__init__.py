"""The `echoworker` command: `application` puts it together, and each other module is a command or some that belong
together; `shared` is what they have in common."""
