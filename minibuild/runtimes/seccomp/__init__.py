"""Which system calls a container may make: profiles as Docker writes them, and filters compiled of them.

``profile`` has the values, ``reading`` a profile's JSON, ``docker`` the default, ``program`` compiles for the kernel
and ``oci`` for runtimes that compile by libseccomp themselves. A profile is about processors and capabilities: what it
comes to is known only once both are.
"""
