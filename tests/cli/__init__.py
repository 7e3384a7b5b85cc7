"""The command line: parsing, help, displays, templates, and the commands as a user runs them."""
