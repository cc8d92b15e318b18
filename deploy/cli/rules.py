"""`echoworker rules`: what the routing rules say, tried on files, and what is on its way to other peers."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from config.errors import ConfigurationError, EchoWorkerError
from config.sections.peers import Role
from config.sections.rules import FREE_TEXT, Decision, InstanceFacts, RuleSettings, decide
from config.settings import Settings
from config.steps import Lane
from deploy.cli.shared import console, open_registry, start

rules_commands = typer.Typer(
    help="Routing rules: what is scored, what is only kept, what is forwarded.", no_args_is_help=True
)


@rules_commands.command("list")
def list_rules() -> None:
    """List the rules in the order in which they are tried."""
    settings = start("rules")
    table = Table("", "Rule", "When", "Does")
    for number, rule in enumerate(settings.rules, 1):
        conditions = [f"{name}: {' | '.join(wanted)}" for name, wanted in rule.conditions().items()]
        does = Decision(action=rule.action, forward_to=rule.forward_to, lane=rule.lane)
        table.add_row(str(number), Text(rule.name), Text("\n".join(conditions) or "always"), Text(_does(does)))
    table.add_row("", Text("(no rule fits)", style="dim"), "", _does(Decision()))
    console.print(table)


@rules_commands.command("test")
def test_rules(
    files: Annotated[list[Path], typer.Argument(help="DICOM files.", exists=True, dir_okay=False)],
    sender: Annotated[str, typer.Option("--from", metavar="AE_TITLE", help="As if this AE title had sent them.")] = "",
) -> None:
    """Say what would become of these files: which rule fits, and why those before it do not. Nothing is sent."""
    from dicom_node.routing import read_facts  # noqa: PLC0415

    settings = start("rules")
    unreadable = 0
    for file in files:
        console.print(Text(str(file), style="bold"), soft_wrap=True)
        try:
            facts = read_facts(file, calling_ae_title=sender or None, peers=settings.peers)
        except EchoWorkerError as error:
            console.print(Text(f"  {error}", style="red"), soft_wrap=True)
            unreadable += 1
            continue
        for line in _trial(settings, facts):
            console.print(line, soft_wrap=True)
    if unreadable:
        raise EchoWorkerError(f"{unreadable} of {len(files)} files cannot be read")


@rules_commands.command("apply")
def apply_rules(
    uids: Annotated[list[str], typer.Argument(metavar="UID", help="Study Instance UIDs.")],
) -> None:
    """Decide anew, by the rules of now, for studies that were received under others."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from db.lifecycle.routing import apply_decisions, instances_of  # noqa: PLC0415
    from dicom_node.routing import decision_for  # noqa: PLC0415
    from dicom_node.spool import Spool  # noqa: PLC0415

    settings = start("rules")
    registry, spool = open_registry(settings), Spool.of(settings)
    for uid in uids:
        with registry.read() as session:
            instances = instances_of(session, uid)
        decisions = {
            instance.sop_instance_uid: decision_for(
                spool.file(instance.spool_path), calling_ae_title=instance.calling_ae_title, settings=settings
            )
            for instance in instances
        }
        with registry.write() as session:
            again = apply_decisions(session, uid, decisions, now=datetime.now(UTC))
        for decision, count in Counter(decisions.values()).items():
            console.print(
                Text(f"study {uid}: {count} instances: {decision.rule or '(no rule fits)'}: {_does(decision)}")
            )
        console.print(f"study {uid}: {'is prepared again' if again else 'is scored as before'}", highlight=False)


@rules_commands.command("forwards")
def forwards(
    again: Annotated[str, typer.Option(metavar="PEER", help="Send what was given up for this peer once more.")] = "",
) -> None:
    """Show what is on its way to each peer that instances are forwarded to."""
    from db.delivery.forwards import forward_again, forward_summaries  # noqa: PLC0415

    settings = start("rules")
    registry = open_registry(settings)
    if again:
        if again not in {peer.name for peer in settings.peers_in(Role.FORWARD)}:
            raise ConfigurationError(f'--again {again}: no peer of this name has the role "{Role.FORWARD}"')
        with registry.write() as session:
            count = forward_again(session, again)
        console.print(f"{again}: {count} instances are due once more, and all that waits is sent at once", markup=False)
    table = Table("Peer", "Due", "Delivered", "Given up", "Asked again at (UTC)", "Last trouble")
    with registry.read() as session:
        for peer in forward_summaries(session):
            at = f"{peer.next_attempt_at:%Y-%m-%d %H:%M:%S}" if peer.next_attempt_at else ""
            counts = (str(peer.due), str(peer.delivered), str(peer.cancelled))
            table.add_row(Text(peer.peer), *counts, at, Text(peer.last_answer or ""))
    console.print(table)


def _trial(settings: Settings, facts: InstanceFacts) -> Iterator[Text]:
    """A line for each rule up to the one that fits, and one for what would be done."""
    decision = decide(settings.rules, facts)
    for number, rule in enumerate(settings.rules, 1):
        unmet = rule.first_unmet(facts)
        if unmet is None:
            yield Text(f"  {number} {rule.name}: fits", style="green")
            for peer in rule.forward_to:
                if peer not in decision.forward_to:
                    yield Text(f"    not forwarded to {peer}: it comes from there")
            break
        yield Text(f"  {number} {rule.name}: {_why_not(rule, unmet, facts)}")
    else:
        yield Text("  no rule fits")
    yield Text(f"  -> {_does(decision)}", style="bold")


def _why_not(rule: RuleSettings, condition: str, facts: InstanceFacts) -> str:
    """What the file has instead; but of free text, which may name the patient, only whether there is any."""
    wanted = " | ".join(rule.conditions()[condition])
    if condition in FREE_TEXT:
        return f"{condition} {'fits none of' if getattr(facts, condition) else 'is absent, not'} {wanted}"
    if condition in ("calling_ae_title", "peer") and facts.calling_ae_title is None:
        return f"{condition} is not {wanted}: name the sender with --from"
    if condition == "peer":
        return f"peer is {', '.join(sorted(facts.peers)) or 'none of the configured'}, not {wanted}"
    has = facts.sop_class_uid if condition == "sop_class" else getattr(facts, condition)
    return f"{condition} is {has or 'absent'}, not {wanted}"


def _does(decision: Decision) -> str:
    forward = f"forward to {', '.join(decision.forward_to)}" if decision.forward_to else "forward nowhere"
    return f"{decision.action}, {forward}{', STAT' if decision.lane is Lane.STAT else ''}"
