"""The record: turns, ratings, reviews and people, in Redis. Nothing is acknowledged before it is stored."""
