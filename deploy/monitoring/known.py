"""Whom the settings name: what the registry still has of others is told of in sums alone."""

from config.settings import Settings


def known_peers(settings: Settings) -> set[str]:
    """The names of all peers and destinations."""
    names = {peer.name for peer in settings.peers}
    return names | {server.name for server in settings.dicomweb} | {receiver.name for receiver in settings.messages}
