"""A person answers in the model's place: the operators' inbox in their chats, and what passes between the two."""
