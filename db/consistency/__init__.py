"""Reports of others: how they come and find their study, and where they and the images do not agree."""
