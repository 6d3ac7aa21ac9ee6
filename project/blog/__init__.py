"""A blog with comments: the site whose signals leave the process."""
