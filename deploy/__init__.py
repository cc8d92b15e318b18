"""The command line and everything that starts, shows and checks an installation."""
