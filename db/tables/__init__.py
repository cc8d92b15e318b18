"""The tables, as SQLAlchemy's models: `studies`, and by what the others are of; `metadata` has all of them."""
