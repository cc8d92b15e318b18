"""The pictures that go back beside a report: which clip decided, where the model looked, and how that is drawn."""
