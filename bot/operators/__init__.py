"""Operators in the chat: reviews, versions, figures, and alerts."""
