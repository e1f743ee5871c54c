"""What both vendors announce of changes: deliveries to a listener, and HubSpot's journal.

`announcer.Announcer` hears every change of a world; `rules` says what is announced and how badly.
"""
