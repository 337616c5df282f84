"""Everything about VPP: its binary API, its stats segment, what it should hold and how to get it there."""
