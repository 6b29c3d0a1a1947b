"""Who may use the bot, and how much of it."""
