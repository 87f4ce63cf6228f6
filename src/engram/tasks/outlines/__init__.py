"""The tasks as the command line knows them: names, settings, help; nothing here loads torch."""
