"""Reports as HL7 v2 messages: the stream, the message, its reports, and the answer."""
