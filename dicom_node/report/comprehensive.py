"""The same report as Comprehensive SR, for a PACS that takes no Comprehensive 3D SR (PS3.3 A.35.3 and A.35.13).

Nothing in our reports needs the third dimension: the content is the same. The object is another one, whose UID follows
from the first's, so that it is the same whenever it is made; and so are the UIDs of the reports that it supersedes.
"""

from copy import deepcopy

from pydicom.dataset import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from dicom_node.report.uids import derived_uid


def comprehensive_uid(sop_instance_uid: str) -> UID:
    """The SOP Instance UID that a report of this one has as Comprehensive SR."""
    return derived_uid("comprehensive", sop_instance_uid)


def as_comprehensive(report: Dataset) -> Dataset:
    """A report of ours as Comprehensive SR; what is handed in stays as it is.

    A PACS that takes this one took its predecessors so.
    """
    changed = deepcopy(report)
    changed.SOPClassUID = ComprehensiveSRStorage
    changed.SOPInstanceUID = comprehensive_uid(report.SOPInstanceUID)
    for study in changed.get("PredecessorDocumentsSequence") or ():
        for series in study.ReferencedSeriesSequence:
            for reference in series.ReferencedSOPSequence:
                if reference.ReferencedSOPClassUID == Comprehensive3DSRStorage:
                    reference.ReferencedSOPClassUID = ComprehensiveSRStorage
                    reference.ReferencedSOPInstanceUID = comprehensive_uid(reference.ReferencedSOPInstanceUID)
    return changed


OTHER_CLASSES = {Comprehensive3DSRStorage: (ComprehensiveSRStorage, as_comprehensive)}
"""What our reports may go as instead (dicom_node.send.OtherClasses)."""
