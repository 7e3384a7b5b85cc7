"""The imperative shell: what performs a plan.

``engine`` is the loop over steps and stages; ``planning`` reads and plans, ``several`` does it for each platform and
joins what came out. ``inputs`` opens a context and its Dockerfile, ``named`` those of ``--build-context``, both by
``places``; ``context``, ``matching`` and ``bases`` are where files and images come from;
``selecting`` finds what is copied, with ``filtering`` by patterns and ``fetching`` by URLs; ``copying`` and
``running`` perform an effect, ``accounts`` looks users up for both; ``rootfs`` mounts a tree when a RUN needs one,
``committing`` writes layers in the background; ``lookup`` finds steps in the cache, ``predicting`` does
so before a build and ``explaining`` says why not; ``travelling`` takes caches from elsewhere
and writes them; ``epoch`` works SOURCE_DATE_EPOCH out, ``rewriting`` cuts layers' times down to it, and ``verifying``
builds anew to compare; ``locking`` pins what comes from elsewhere;
``journal`` tells what happens. May import every room but ``cli``.
"""
