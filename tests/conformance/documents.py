"""Takes the documents of an engine, and checks each against event-model's schemas."""

from event_model import DocumentNames, schema_validators


class Documents:
    """What a subscriber was called with, in order."""

    def __init__(self):
        self.received = []

    def __call__(self, name, document):
        schema_validators[DocumentNames[name]].validate(document)
        self.received.append((name, document))

    def of(self, name):
        return [document for kind, document in self.received if kind == name]
