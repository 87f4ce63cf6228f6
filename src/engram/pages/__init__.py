"""Documents that are written from definitions: remedies, settings, the API reference, the site."""
