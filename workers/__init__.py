"""Celery app, schedule and tasks: when a refresh runs, under which lock, in which order."""
