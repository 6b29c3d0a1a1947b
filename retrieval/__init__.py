"""What the assistant knows: documents, their index, checked answers, and which words of a reply they support."""
