"""What a build is given from elsewhere: files by http, commits by git, archives by whatever way.

Everything lands in a scratch directory of the caller's, whose it is to remove. Names and bytes that come from outside
are never trusted: an archive or a repository can't reach, nor read, what is outside its own directory.
"""
