"""The command line and everything that starts, shows and checks an installation.

cli                 the `echoworker` command; printing is how it shows things
processes           one installation as one process tree: started, stopped, and what becomes of one that dies
data_folder         its folder, of its owner alone
demo                synthetic hearts through the whole live system
doctor              is it fit to work?
monitoring          metrics, and who is told when something is wrong
backup              and restore

canary, fetch, bringing_in      what somebody asks for by hand: a canary, studies of an archive, a report
site_authority      certificates for a site that has no authority
sizing              how much disk, how many workers
licences            what it is made of

containers, kubernetes, systemd, grafana    files for those, held against their rules by tests
"""
