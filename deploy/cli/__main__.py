"""`python -m deploy.cli`: as the processes of an installation start each other, whatever is on the path."""

from deploy.cli.application import main

if __name__ == "__main__":
    main()
