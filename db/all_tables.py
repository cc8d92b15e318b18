"""Every table of the registry, for whoever needs all of them, as migrations do."""

from sqlalchemy import MetaData

from db.base import Base

METADATA: MetaData = Base.metadata
