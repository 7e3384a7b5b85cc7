"""Instructions → plan: stages and their graph, ONBUILD triggers, the fold of the configuration, keys. Pure but for the
one window ``lookup``, which answers a base image by its name.

May import ``instructions``, ``dockerfile``, ``oci``, ``source`` and ``errors`` only.
"""

from minibuild.plan.keys import step_key
from minibuild.plan.reading import read
from minibuild.plan.stages import Lookup, plan
from minibuild.plan.steps import Options, Plan, Stage, Step
from minibuild.plan.text import render

__all__ = ["Lookup", "Options", "Plan", "Stage", "Step", "plan", "read", "render", "step_key"]
