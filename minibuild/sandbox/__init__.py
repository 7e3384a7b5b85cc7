"""What a kernel can do for us: system calls that Python lacks, a namespace in which a plain user is root, mounts only
we see, paths inside a tree, directories that die with us.

May import ``errors`` and what stands below it. Nothing in here knows of images, layers or containers.
"""
