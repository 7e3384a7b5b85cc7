"""The distribution protocol: talks to registries, gets manifests and blobs, believes nothing that it hasn't verified.

``endpoints`` says where a registry is asked (mirrors first) and which places may not be asked; ``settings`` what
``registries.conf`` says of that; ``proxies`` by which way; ``trust`` whose certificates to believe; ``connections``
carries one request; ``session`` asks one endpoint with patience (redirects, retries); ``credentials`` knows who we are
there, ``keeping`` writes it down; ``auth`` answers challenges; ``download`` is a blob on its way here, ``destination``
a repository that takes blobs; ``client`` asks all endpoints of a registry in turn.

May import ``source``, ``errors``, ``events`` and ``oci``. urllib3 is imported when the first connection is made.
Source: distribution-spec v1.1, and Docker's token authentication specification.
"""
