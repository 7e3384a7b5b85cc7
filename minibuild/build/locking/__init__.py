"""What a Dockerfile takes from elsewhere, held fast: digests written into it (``minibuild pin``), or beside it into
``minibuild.lock`` (``minibuild lock``, ``build --locked``). May import what ``build`` may.
"""
