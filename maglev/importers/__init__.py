"""Makes a first configuration out of those of other programs: HAProxy and keepalived."""
