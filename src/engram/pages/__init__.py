"""Pages generated from definitions: remedies, settings, the API reference, the site."""
