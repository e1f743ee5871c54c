"""syncd keeps appointments in step, both ways, between HighLevel and HubSpot.

Start reading at `syncd.engine.cycle` (the path of the data) and
`syncd.core.plan` (what is decided, and why).
"""

__version__ = "0.1.0"
