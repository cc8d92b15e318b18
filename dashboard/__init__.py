"""The web page of an installation: pages and an API over what `db` reads, and little more.

server, application         the process, and what it is put together from; installation is what every page works with
access                      who may come in, and what is written down of it; recently keeps a refresh from being a look
pages                       what people see; study is one study's page, worklist_form the form above the list
api                         the same for programs
parameters, places, day_range, paging       what an address may ask for, read without trusting it
rendering, wording, standing, charts        how things are written and drawn, from templates and static
problems                    what is answered when something cannot be
"""
