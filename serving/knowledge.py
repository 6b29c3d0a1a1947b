"""What an answer may rest on: approved answers first, then passages of documents; and what is done with them."""
