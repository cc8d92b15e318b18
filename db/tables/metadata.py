"""Every table of the registry, for whoever needs all of them, as migrations do."""

# ruff: noqa: F401  a table whose module is not imported is in nobody's metadata

from sqlalchemy import MetaData

import db.tables.accounts
import db.tables.consistency
import db.tables.deliveries
import db.tables.identity_keeping
import db.tables.monitoring
import db.tables.peers
import db.tables.pictures
import db.tables.pipeline
import db.tables.rescoring
import db.tables.retention
import db.tables.runs
import db.tables.studies
from db.tables.base import Base

METADATA: MetaData = Base.metadata
