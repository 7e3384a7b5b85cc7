"""What a build says of its results: which packages they hold (SBOM), and how they were made (provenance).

``wishes`` what is asked for; ``made`` what is known in the end; ``materials`` what a build was made of; ``provenance``
how it was made, in SLSA's words; ``attaching`` puts them beside the images, ``reading`` finds what is there. Only what
others must know is said, never a secret's value or a path on this machine.
"""
