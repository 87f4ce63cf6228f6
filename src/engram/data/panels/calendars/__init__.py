"""Calendars: when the steps of series are."""
