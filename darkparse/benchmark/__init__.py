"""How fast a network is on this machine, and how near that is to what the machine can do."""
