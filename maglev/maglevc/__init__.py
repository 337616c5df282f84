"""The program ``maglevc``: the command tree over Perspective Broker, for one command, a script, or a person.

Modules are imported when they are needed: a one-shot command should be over before anybody notices that it began.
"""
