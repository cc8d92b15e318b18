"""A study's life outside the steps: it arrives, falls quiet, is announced, moves on; what outlived its time goes."""
