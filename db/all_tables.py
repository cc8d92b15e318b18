"""Every table of the registry, for whoever needs all of them, as migrations do."""

from sqlalchemy import MetaData

import db.schema
import db.schema_consistency
import db.schema_identities
import db.schema_peers
import db.schema_pictures  # noqa: F401  as the others: a table that is not imported is in nobody's metadata
from db.base import Base

METADATA: MetaData = Base.metadata
