"""What a build says of its results: which packages they hold (SBOM), and how they were made (provenance).

``wishes`` what is asked for; ``materials`` what a build was made of; ``provenance`` how it was made, in SLSA's words;
``attaching`` puts them beside the images. Only what others must know of is said, never a secret's value or name.
"""
