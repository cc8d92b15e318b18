"""The tables, as SQLAlchemy's models; `metadata` has all of them.

base                what each is made of
studies             studies, whose they are, and their instances
runs                their answers, and which is current
deliveries          what is made for the PACS, where it goes, what is answered
identity_keeping    how identities are kept
pictures            prepared clips, and where embeddings lie
pipeline            the journal, pauses, devices
peers               what is forwarded, queues of peers, who called
consistency         reports that came, and what disagrees
rescoring, retention    batches; what was removed, and what is held
monitoring          how the installation is doing
accounts            who may use the dashboard
"""
