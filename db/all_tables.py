"""Every table of the registry, for whoever needs all of them, as migrations do."""

# ruff: noqa: F401  a table whose module is not imported is in nobody's metadata

from sqlalchemy import MetaData

import db.schema
import db.schema_accounts
import db.schema_consistency
import db.schema_identities
import db.schema_monitoring
import db.schema_peers
import db.schema_pictures
import db.schema_pipeline
import db.schema_rescoring
import db.schema_retention
from db.base import Base

METADATA: MetaData = Base.metadata
