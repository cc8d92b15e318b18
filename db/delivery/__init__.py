"""What goes to peers, and what became of it.

deliveries          where the objects made for the PACS go, and what that means for their study
delivering          what is due for each destination, and what it answers
queues              one at a time sends to a peer, and one that is away is asked once for all that waits
commitments         storage commitment
dead_letters        for people: how each destination is doing, and sending once more
forwards            received instances on their way to other peers
"""
