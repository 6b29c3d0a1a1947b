"""`apprentice`, whose bot is not held back by Telegram's rates, so that stories with many messages need not wait."""

import bot.outgoing
from apprentice import main
from bot.pace import Rate

QUICK = Rate(60, 1, 60)

if __name__ == "__main__":
    bot.outgoing.PRIVATE = bot.outgoing.GROUP = QUICK
    main()
