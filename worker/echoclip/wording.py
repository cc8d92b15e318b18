"""Whose words the model is asked in. Stand-in: the pack's own are taken up where packs are read."""

from config.clinical_tasks import AnyTask, Wording


def worded(task: AnyTask, published: object) -> tuple[AnyTask, Wording]:
    """A task with the prompts that the model was published with, and whose words it now has."""
    del published
    return task, "catalogue"
