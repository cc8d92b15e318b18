"""`echoworker demo`, from its beginning to its end: `running`.

studies             synthetic hearts whose truth is known
pacs                a small receiver
view                the truth beside what the model made of it
dashboard           who may sign in, and that it stays for a look
"""
